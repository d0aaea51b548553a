//go:build unix

package softcard

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes a file for this process; the system lets go of it when the
// process dies.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another process has this card (%s): %w", path, err)
	}
	return f.Close, nil
}
