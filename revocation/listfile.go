package revocation

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"signet/internal/atomicfile"
	"signet/revocation/crl"
)

// content is where a list is while it is in use.
type content interface {
	crl.File
	io.Closer
}

// inMemory is a list for which no disk had room.
type inMemory struct{ *crl.Memory }

func (inMemory) Close() error { return nil }

// A listFile is the file that a list is in. It is open as long as the list is in
// force or being read, and then closed.
type listFile struct {
	content

	mu      sync.Mutex // owns the fields below
	refs    int        // who holds it: the list in force, readers, a saver
	temp    string     // the name it has until it is saved; "" for none
	saving  bool
	dropped bool // another list is in force
}

// createList makes the file for a new list: in dir under a name that no one looks
// for, or with dir "" under none.
func createList(dir, name string) (*listFile, error) {
	f, err := os.CreateTemp(dir, tempPattern(name))
	if err != nil {
		return nil, err
	}
	l := &listFile{content: f, refs: 1}
	if dir == "" {
		err = os.Remove(f.Name())
	} else {
		l.temp = f.Name()
		err = f.Chmod(0o644)
	}
	if err != nil {
		return nil, errors.Join(err, l.drop())
	}
	return l, nil
}

// tempPattern is what temporary files beside the one of that name are called.
func tempPattern(name string) string { return "." + name + ".*" }

// removeTemps removes those that a crash has left.
func removeTemps(dir, name string) error {
	left, err := filepath.Glob(filepath.Join(dir, tempPattern(name)))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// acquire fails for a file that was closed.
func (l *listFile) acquire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refs == 0 {
		return false
	}
	l.refs++
	return true
}

func (l *listFile) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refs--; l.refs == 0 {
		return l.Close()
	}
	return nil
}

// drop gives the file up: another list is in force.
func (l *listFile) drop() error {
	l.mu.Lock()
	l.dropped = true
	var err error
	if l.temp != "" && !l.saving {
		err = os.Remove(l.temp)
		l.temp = ""
	}
	l.mu.Unlock()
	return errors.Join(err, l.release())
}

// save flushes the file to disk and then gives it the name at path, in place of
// the one before: a crash leaves the one or the other there, whole. A file that was
// given up meanwhile is saved all the same, for what is at path is older still.
func (l *listFile) save(path string) error {
	l.mu.Lock()
	temp := l.temp
	if temp == "" || l.refs == 0 {
		l.mu.Unlock()
		return nil
	}
	l.saving = true
	l.refs++
	l.mu.Unlock()

	err := flush(l.content)
	if err == nil {
		err = atomicfile.Rename(temp, path)
	}
	l.mu.Lock()
	switch {
	case err == nil:
		l.temp = ""
	case l.dropped:
		err = errors.Join(err, os.Remove(temp))
		l.temp = ""
	}
	l.saving = false
	l.mu.Unlock()
	return errors.Join(err, l.release())
}

func flush(c content) error {
	if f, ok := c.(*os.File); ok {
		return f.Sync()
	}
	return nil
}
