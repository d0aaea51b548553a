//go:build !unix && !windows

package agent

import (
	"context"
	"os/exec"
)

// asGroup does nothing: here there are no process groups to signal.
func asGroup(*exec.Cmd) {}

func shell(ctx context.Context, command string) *exec.Cmd {
	return exec.CommandContext(ctx, "sh", "-c", command)
}
