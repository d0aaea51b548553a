package agent

import (
	"context"
	"sync"
	"time"
)

// gatherReloads is how long a reload waits for those of other files.
const gatherReloads = 300 * time.Millisecond

// Turns are for the files of one machine: while one is swapped and checked, another is
// not, since a server's check looks at all of its files; and one reload does for
// all that ask for the same in the same moment. A nil *Turns is for a file alone.
type Turns struct {
	swap sync.Mutex // held while a file is swapped and checked, or a server reloaded

	mu      sync.Mutex // owns reloads
	reloads map[string]*reload
}

type reload struct {
	done chan struct{}
	err  error // after done
}

// take begins a swap; what it returns ends it.
func (t *Turns) take() (leave func()) {
	if t == nil {
		return func() {}
	}
	t.swap.Lock()
	return t.swap.Unlock
}

// reload has run called once for all that reload by the same command now.
func (t *Turns) reload(ctx context.Context, command string, run func(context.Context) error) error {
	if t == nil {
		return run(ctx)
	}
	t.mu.Lock()
	r, joined := t.reloads[command]
	if !joined {
		r = &reload{done: make(chan struct{})}
		if t.reloads == nil {
			t.reloads = map[string]*reload{}
		}
		t.reloads[command] = r
	}
	t.mu.Unlock()
	if joined {
		select {
		case <-r.done:
			return r.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	sleep(ctx, gatherReloads)
	defer t.take()()
	t.mu.Lock()
	delete(t.reloads, command) // who comes now has changed a file that this one may not see
	t.mu.Unlock()
	defer close(r.done)
	r.err = run(ctx)
	return r.err
}
