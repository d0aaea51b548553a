package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// ErrNotFile is for a path at which no file can be replaced: a folder is there, a
// device, a FIFO, a socket, or a symlink that leads nowhere.
var ErrNotFile = errors.New("not a regular file")

// Target is the file that path stands for, by the one name that it has when symlinks
// are followed: one file is then known as such, whatever name was given. What is there
// is not opened: a FIFO would wait for ever. There may be nothing, in a folder that exists.
func Target(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh(path)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Lstat(real)
	if err != nil {
		return "", err
	}
	return real, Regular(path, info)
}

// Regular is nil for a file that can be replaced, and otherwise an [ErrNotFile] that
// says what is at path.
func Regular(path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%w: %s is a folder", ErrNotFile, path)
	case mode&fs.ModeNamedPipe != 0:
		return fmt.Errorf("%w: %s is a FIFO", ErrNotFile, path)
	case mode&fs.ModeSocket != 0:
		return fmt.Errorf("%w: %s is a socket", ErrNotFile, path)
	case mode&fs.ModeDevice != 0:
		return fmt.Errorf("%w: %s is a device", ErrNotFile, path)
	}
	return fmt.Errorf("%w: %s", ErrNotFile, path)
}

// fresh is the name of a file that is not there yet.
func fresh(path string) (string, error) {
	if to, err := os.Readlink(path); err == nil {
		return "", fmt.Errorf("%w: %s is a symlink to %s, which is not there", ErrNotFile, path, to)
	}
	dir, base := filepath.Split(path)
	if base == "" {
		return "", fmt.Errorf("%w: %q names a folder", ErrNotFile, path)
	}
	dir, err := filepath.EvalSymlinks(filepath.Clean(dir + "."))
	if err != nil {
		return "", fmt.Errorf("the folder of %s: %w", path, err)
	}
	return filepath.Join(dir, base), nil
}

// temporary is the name of a file that [Create] had made.
var temporary = regexp.MustCompile(`^\.(.+)\.[0-9]+$`)

// Tidy deletes what was begun for path by processes that were killed. It is for who
// knows that no other process writes there.
func Tidy(path string) {
	dir, base := filepath.Split(path)
	entries, _ := os.ReadDir(filepath.Clean(dir + "."))
	for _, e := range entries {
		if m := temporary.FindStringSubmatch(e.Name()); m != nil && m[1] == base && e.Type().IsRegular() {
			_ = os.Remove(dir + e.Name())
		}
	}
}
