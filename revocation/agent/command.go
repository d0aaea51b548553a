package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// apply has the server check its configuration and read the file, unless it has
// done so for this very file. It keeps that in the state.
func (f *File) apply(ctx context.Context) (run bool, err error) {
	next := state{File: f.inPlace.digest, Tags: f.newest.Tags}
	if f.state.File == next.File {
		next.Applied = f.state.Applied
	}
	f.saveState(next)
	commands := f.commands()
	if next.Applied == commands {
		return false, nil
	}
	if f.Check != "" {
		if err := f.check(ctx); err != nil {
			return false, err
		}
	}
	if f.Reload != "" {
		if err := f.run(ctx, f.Reload); err != nil {
			return false, fmt.Errorf("%w: %w", ErrReload, err)
		}
	}
	next.Applied = commands
	f.saveState(next)
	return f.Reload != "", nil
}

// commands stand for both of them in the state; "" where there is none.
func (f *File) commands() string {
	switch {
	case f.Check != "":
		return digest(f.Check + "\x00" + f.Reload)
	case f.Reload != "":
		return digest(f.Reload)
	}
	return ""
}

// maxOutput is how much of a failed command's output is told.
const maxOutput = 2 << 10

// run runs a command; its error tells the end of what it printed.
func (f *File) run(ctx context.Context, command string) error {
	ctx, cancel := context.WithTimeout(ctx, f.CommandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Env = append(os.Environ(), "SIGNET_CRL="+f.Path)
	asGroup(cmd)
	cmd.WaitDelay = time.Second // for what it left running with its output open
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w after %s", ctx.Err(), f.CommandTimeout)
	}
	return fmt.Errorf("%q: %w: %s", command, err, &out)
}

// A tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	p = p[max(0, len(p)-maxOutput):]
	t.data = append(t.data, p...)
	t.data = append(t.data[:0], t.data[max(0, len(t.data)-maxOutput):]...)
	return n, nil
}

func (t *tail) String() string {
	return string(bytes.ToValidUTF8(bytes.TrimSpace(t.data), []byte("?")))
}
