package bolt

import (
	"errors"
	"fmt"
)

// ErrLocked is a store that another process has open. The error that wraps it is a
// [*LockedError].
var ErrLocked = errors.New("the store is in use")

// A LockedError says who has the store.
type LockedError struct {
	Path string
	// PID and Name are the process's; 0 and "" where they can't be known.
	PID  int
	Name string
}

func (e *LockedError) Error() string {
	who := "another process"
	switch {
	case e.PID != 0 && e.Name != "":
		who = fmt.Sprintf("%s (pid %d)", e.Name, e.PID)
	case e.PID != 0:
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("%s already has this store open: %s", who, e.Path)
}

// Is makes it [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

func lockedError(path string) error {
	e := &LockedError{Path: path}
	e.PID, e.Name = holder(path)
	return e
}
