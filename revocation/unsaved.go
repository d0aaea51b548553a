package revocation

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// unsaved are the lists in force that are not on disk yet: they are out before
// they are there, since a disk may take its time.
type unsaved struct {
	logger *slog.Logger
	kick   chan struct{} // told that there are some; holds one
	turn   *sync.Mutex   // held by whoever saves: what is newer comes later

	mu    *sync.Mutex
	lists map[string]*List // by path; owned by mu
}

func newUnsaved(logger *slog.Logger) unsaved {
	return unsaved{logger, make(chan struct{}, 1), new(sync.Mutex), new(sync.Mutex), map[string]*List{}}
}

func (u unsaved) add(path string, l *List) {
	u.mu.Lock()
	u.lists[path] = l
	u.mu.Unlock()
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

// pause is the time from one save to the next: of the lists that are replaced
// meanwhile the disk hears nothing, and revocations have it for themselves. A start
// makes all lists anew: those on disk are for the moment before that.
const pause = 10 * time.Second

// run saves lists as they come, until ctx ends.
func (u unsaved) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-u.kick:
			u.save()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// save saves those that there are.
func (u unsaved) save() {
	u.turn.Lock()
	defer u.turn.Unlock()
	for {
		path, l := u.next()
		if l == nil {
			return
		}
		if err := l.file.save(path); err != nil {
			u.logger.Error("the CRL is out, but not on disk: a restart would begin with the one before", "error", err)
		}
	}
}

func (u unsaved) next() (string, *List) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for path, l := range u.lists {
		delete(u.lists, path)
		return path, l
	}
	return "", nil
}
