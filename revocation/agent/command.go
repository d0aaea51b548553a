package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// apply runs the command unless it was run for this very file, and keeps the
// state: also before the command, so that whoever comes after a crash knows.
func (f *fetch) apply(ctx context.Context, file string, tags map[string]string) (run bool, err error) {
	next := state{File: file, Tags: tags}
	command, applied := digest([]byte(f.Command)), ""
	if f.state.File == file {
		applied = f.state.Applied
	}
	if f.Command == "" || applied == command {
		next.Applied = applied
		f.saveState(next)
		return false, nil
	}
	f.saveState(next)
	if err := f.runCommand(ctx); err != nil {
		return false, err
	}
	next.Applied = command
	f.saveState(next)
	return true, nil
}

// maxOutput is how much of a failed command's output is told.
const maxOutput = 2 << 10

func (f *fetch) runCommand(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.CommandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", f.Command)
	cmd.Env = append(os.Environ(), "SIGNET_CRL="+f.Path)
	asGroup(cmd)
	cmd.WaitDelay = time.Second // for what it left running with its output open
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w after %s", ctx.Err(), f.CommandTimeout)
	}
	return fmt.Errorf("%w: %w: %s", ErrCommand, err, bytes.TrimSpace(out[max(0, len(out)-maxOutput):]))
}
