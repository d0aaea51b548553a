//go:build !windows

package atomicfile

import (
	"errors"
	"os"
)

// SyncDir flushes a folder to disk: without it a new file's name may be gone after a
// power cut.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func rename(from, to string) error { return os.Rename(from, to) }
