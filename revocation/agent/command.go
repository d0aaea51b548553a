package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"
)

// swap puts the newest CRLs into the file, and past the server's check, unless that
// has been done. It keeps in the state what has.
func (f *File) swap(ctx context.Context) (changed bool, err error) {
	defer f.Turns.take()()
	before := f.inPlace.digest
	if err := f.place(); err != nil {
		return false, err
	}
	next := state{File: f.inPlace.digest, Answers: f.newest.Answers}
	if f.state.File == next.File {
		next.Applied = f.state.Applied
	}
	f.saveState(next)
	if f.Check != "" && next.Applied != f.commands() {
		err = f.check(ctx)
	}
	return f.inPlace.digest != before, err
}

// reload has the server read the file, unless it has done so.
func (f *File) reload(ctx context.Context) (run bool, err error) {
	next := f.state
	if next.Applied == f.commands() {
		return false, nil
	}
	if f.Reload != "" {
		err := f.Turns.reload(ctx, f.Reload, func(ctx context.Context) error { return f.run(ctx, f.Reload) })
		if err != nil {
			return false, fmt.Errorf("%w: %w", ErrReload, err)
		}
		f.Logger.Info("the server is reloaded", "path", f.Path)
	}
	next.Applied = f.commands()
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
	cmd := shell(ctx, command)
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
