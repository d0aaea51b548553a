package agent

import (
	"context"
	"os/exec"
	"syscall"
)

// asGroup does nothing: here there are no process groups to signal.
func asGroup(*exec.Cmd) {}

// shell is cmd.exe, which reads its command line by itself: what stands between the outer
// quotes is the command, whatever quotes are in it.
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd.exe")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /d /s /c "` + command + `"`}
	return cmd
}
