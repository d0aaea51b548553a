package agent

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// A lock is a file that one process holds; what is in it says who. It stays where it
// is when it is let go: deleting it would let two hold what has one name.
type lock struct{ file *os.File }

func takeLock(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrite, err)
	}
	if err := waitFlock(file); err != nil {
		defer file.Close()
		return nil, fmt.Errorf("%w: %s%s (%w)", ErrLocked, path, holder(file), err)
	}
	// It is held in any case; who holds it is a courtesy.
	if file.Truncate(0) == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &lock{file}, nil
}

// lockPatience is how long a lock may be held on to by what a process that was killed
// had just started.
const lockPatience = time.Second

func waitFlock(file *os.File) error {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if err := flock(file); err == nil || time.Since(began) > lockPatience {
			return err
		}
	}
}

// holder is who holds it, as far as that is known.
func holder(file *os.File) string {
	text, _ := io.ReadAll(io.LimitReader(file, 20))
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if name := strings.TrimSpace(string(name)); name != "" {
		return fmt.Sprintf(", process %d, %q", pid, name)
	}
	return fmt.Sprintf(", process %d", pid)
}

func (l *lock) release() error { return l.file.Close() }
