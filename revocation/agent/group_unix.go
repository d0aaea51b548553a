//go:build unix

package agent

import (
	"context"
	"os/exec"
	"syscall"
)

// asGroup has the command and all that it starts end together: a shell that is
// killed alone leaves what it waited for running.
func asGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

func shell(ctx context.Context, command string) *exec.Cmd {
	return exec.CommandContext(ctx, "sh", "-c", command)
}
