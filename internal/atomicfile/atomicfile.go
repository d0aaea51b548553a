// Package atomicfile replaces a file in one step: whoever reads it sees the old
// content or the new one, also after a power cut.
package atomicfile

import (
	"fmt"
	"os"
	"path/filepath"
)

// Write puts data in the file at path with mode perm. It writes a new file
// beside it, flushes that to disk, renames it over path and flushes the folder.
// When it fails, what was at path is untouched and no new file is left.
func Write(path string, data []byte, perm os.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// A File is the next content of the file at a path, for what is written in pieces.
type File struct {
	path string
	file *os.File // nil once it is committed or discarded
}

// Create begins a new file beside path, whose name is that of path between a dot
// and a dot with a number. It must be committed or discarded.
func Create(path string, perm os.FileMode) (*File, error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	f := &File{path, file}
	if err := file.Chmod(perm); err != nil {
		f.Discard()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return f, nil
}

func (f *File) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	if err != nil {
		err = fmt.Errorf("writing %s: %w", f.path, err)
	}
	return n, err
}

// Commit flushes the file to disk and renames it over path. When it fails before
// that, what was at path is untouched.
func (f *File) Commit() error {
	if err := f.commit(); err != nil {
		f.Discard()
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	return nil
}

func (f *File) commit() error {
	if err := f.file.Sync(); err != nil {
		return err
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	if err := rename(f.file.Name(), f.path); err != nil {
		return err
	}
	f.file = nil
	return SyncDir(filepath.Dir(f.path))
}

// Rename gives a file that is flushed to disk the name path, in one step and for good.
func Rename(from, path string) error {
	if err := rename(from, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Discard deletes the file; after Commit it does nothing.
func (f *File) Discard() {
	if f.file != nil {
		_ = f.file.Close()
		_ = os.Remove(f.file.Name())
		f.file = nil
	}
}
