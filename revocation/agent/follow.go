package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// FollowConfig says what [Follow] does at each turn, and when. Fetch must be there.
type FollowConfig struct {
	// Fetch looks for what is new. It is called by one goroutine, never twice at
	// once. Where it fails it is called again; saying so is its own business.
	Fetch func(ctx context.Context) error
	// Events is the URL of the CA's server-sent events, [EventsURL]; "" for none.
	Events string
	// Poll is the time between two looks; 0 for a minute. Each is up to a fifth shorter.
	Poll time.Duration
	// HTTP listens to events; nil for one as [Source] has. Its Timeout is not obeyed.
	HTTP *http.Client
	// Connected is told when the CA's events begin and cease to be heard; may be nil.
	Connected func(yes bool)

	Logger *slog.Logger     // nil for slog.Default()
	Now    func() time.Time // nil for time.Now
}

const (
	// firstRetry is the wait after a first failure. It doubles, up to the poll interval.
	firstRetry = time.Second
	// rest is the least time between two looks, however many events there are; lag
	// spreads the agents that hear one event at the same time.
	rest = 500 * time.Millisecond
	lag  = 200 * time.Millisecond
)

// Follow calls Fetch at once, then at each event of the CA, or else after the poll
// interval, and after failures with waits that double, until ctx ends; it returns nil
// then. Events are of use only: while none can be heard, polling is enough.
func Follow(ctx context.Context, c FollowConfig) error {
	if c.Poll == 0 {
		c.Poll = time.Minute
	}
	if c.HTTP == nil {
		c.HTTP = newHTTP()
	}
	if c.Connected == nil {
		c.Connected = func(bool) {}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	f := &follower{FollowConfig: c, look: make(chan struct{}, 1)}
	g, ctx := errgroup.WithContext(ctx)
	if c.Events != "" {
		g.Go(func() error { return f.listen(ctx) })
	}
	g.Go(func() error { return f.run(ctx) })
	return g.Wait()
}

type follower struct {
	FollowConfig
	look     chan struct{} // told that there is something new; holds one
	failures int           // in a row; run's own
	said     string        // of the events; listen's own
}

func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := f.Fetch(ctx)
		wait, hold := f.pace(err)
		f.await(ctx, wait, hold)
	}
	return nil
}

// pace is how long to wait for the next turn, and how long even where an event asks for it.
func (f *follower) pace(err error) (wait, hold time.Duration) {
	if err == nil {
		f.failures = 0
		return f.Poll - jitter(f.Poll/5), rest
	}
	back := f.Poll
	if f.failures < 20 { // 20 doublings are twelve days
		back = min(firstRetry<<f.failures, f.Poll)
	}
	f.failures++
	wait, hold = back-jitter(back/2), rest
	if status, ok := errors.AsType[*StatusError](err); ok && status.After > 0 {
		hold = status.After + jitter(status.After/10) // not all at the first second
		wait = max(wait, hold)
	}
	return wait, hold
}

// await returns after wait, or at an event but not before hold, or when ctx ends.
func (f *follower) await(ctx context.Context, wait, hold time.Duration) {
	began := time.Now()
	turn := time.NewTimer(wait)
	defer turn.Stop()
	select {
	case <-ctx.Done():
		return
	case <-turn.C:
		return
	case <-f.look:
	}
	sleep(ctx, max(hold-time.Since(began), jitter(lag)))
	select { // events of the meantime are about what will be fetched now
	case <-f.look:
	default:
	}
}

func (f *follower) seen() {
	select {
	case f.look <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// jitter is a random part of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}
