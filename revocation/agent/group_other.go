//go:build !unix

package agent

import "os/exec"

// asGroup does nothing: elsewhere there are no process groups to signal.
func asGroup(*exec.Cmd) {}
