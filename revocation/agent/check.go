package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// check runs the server's check over the new file in place. Where it fails, it is
// run over the file before as well: if that passes, the new one is at fault, and the
// one before stays; if it does not, somebody else has broken the server's
// configuration, and the new one is put back, since a restart will need it.
func (f *File) check(ctx context.Context) error {
	failed := f.run(ctx, f.Check)
	if failed == nil {
		f.refusal = refusal{}
		return remove(f.beforePath())
	}
	if _, err := os.Stat(f.beforePath()); errors.Is(err, fs.ErrNotExist) {
		// There was no file, which is no better, or both were tried already.
		return errors.Join(ctx.Err(), fmt.Errorf("%w: %w", ErrBroken, failed))
	}
	if err := f.swapBack(); err != nil {
		return fmt.Errorf("%w: %w: putting the one before back: %w", ErrWrite, failed, err)
	}
	fault := error(nil)
	if ctx.Err() == nil { // else we ended the check
		fault = f.run(ctx, f.Check)
	}
	switch {
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), f.goneBack())
	case fault != nil:
		return errors.Join(fmt.Errorf("%w: %w", ErrBroken, failed), os.Rename(f.afterPath(), f.Path))
	}
	f.refusal = f.refusal.again(f.inPlace.digest, fmt.Errorf("%w: %w", ErrRefused, failed), f.Now())
	return errors.Join(f.refusal.err, f.goneBack())
}

// swapBack puts the file before in place, in one step, and keeps the new one.
func (f *File) swapBack() error {
	if err := keep(f.Path, f.afterPath()); err != nil {
		return err
	}
	return os.Rename(f.beforePath(), f.Path)
}

// goneBack takes note that the file before is in place for good.
func (f *File) goneBack() error {
	f.inPlace = f.before.inPlace // of nothing after a restart: it is read again then
	f.saveState(f.before.state)
	return remove(f.afterPath())
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

const (
	firstRefusal = time.Minute
	lastRefusal  = time.Hour
)

// A refusal is of a file that the server's check did not pass: each try to use it
// puts it in place for a moment, so they become rare.
type refusal struct {
	digest string
	err    error
	wait   time.Duration
	until  time.Time
}

// stands is why that file is not tried now; nil if it may be.
func (r refusal) stands(digest string, now time.Time) error {
	if r.digest == digest && now.Before(r.until) {
		return &untriedError{r.err}
	}
	return nil
}

// An untriedError is the one of the last try, where there was none this time.
type untriedError struct{ error }

func (e *untriedError) Unwrap() error { return e.error }

func (r refusal) again(digest string, err error, now time.Time) refusal {
	wait := firstRefusal
	if r.digest == digest {
		wait = min(2*r.wait, lastRefusal)
	}
	return refusal{digest: digest, err: err, wait: wait, until: now.Add(wait)}
}
