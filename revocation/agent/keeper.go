package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/internal/exit"
)

// KeeperConfig says how a [Keeper] follows the CA.
type KeeperConfig struct {
	Name string // what it is called in logs and metrics; "" for the file's path
	// Poll and Events are those of [FollowConfig].
	Poll   time.Duration
	Events string
}

// A Keeper keeps a [File] up to date for as long as it runs, and shouts in time when it can't.
type Keeper struct {
	KeeperConfig
	file *File

	mu     sync.Mutex // owns the fields below
	status Status
	ready  chan struct{}
	said   []saying // of each level, what was last said of it

	saidError time.Time // when an error was last said
	saidLong  time.Time // the beginning of the last try of which was said that it takes long
}

type saying struct {
	Standing
	at time.Time
}

// A Status is what a [Keeper] knows, for metrics, a health file and those who ask.
type Status struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`
	Standing Standing `json:"standing"` // the worst of all
	// Levels are the CRLs that are in place, one of each CA; one without a number is missing.
	Levels     []Level   `json:"levels"`
	NextUpdate time.Time `json:"next_update,omitzero"` // when the first of them runs out

	LastTry     time.Time `json:"last_try,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	// Error and Hint are of the last try, where that failed; Kind is its kind in a word.
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Kind  string `json:"kind,omitempty"`
	// Events tells whether the CA's events are heard.
	Events   bool              `json:"events"`
	Fetches  uint64            `json:"fetches"`
	Failures map[string]uint64 `json:"failures,omitempty"` // by kind
	Changes  uint64            `json:"changes"`            // of the file
	Reloads  uint64            `json:"reloads"`

	since  time.Time // when the first try began since the last success, where it failed
	trying time.Time // when the try began that goes on now; zero for none
}

// NewKeeper makes a keeper of an open file. See [Keeper.Run].
func NewKeeper(f *File, c KeeperConfig) *Keeper {
	if c.Name == "" {
		c.Name = f.Path
	}
	k := &Keeper{KeeperConfig: c, file: f, ready: make(chan struct{}), said: make([]saying, len(f.CAs))}
	k.status = Status{Name: c.Name, Path: f.Path, Failures: map[string]uint64{}}
	f.kept, f.swapped = true, k.look
	return k
}

// Run keeps the file up to date until ctx ends, and returns nil then. The file
// is still open.
func (k *Keeper) Run(ctx context.Context) error {
	logger := k.file.Logger.With("crl", k.Name)
	k.begin()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return k.watch(ctx, logger) })
	g.Go(func() error {
		return Follow(ctx, FollowConfig{
			Fetch: func(ctx context.Context) error { return k.fetch(ctx, logger) },
			Poll:  k.Poll, Events: k.Events, Connected: k.connected, HTTP: k.file.HTTP, Logger: logger, Now: k.file.Now,
		})
	})
	return g.Wait()
}

// begin looks at what is in place from the run before.
func (k *Keeper) begin() {
	if k.file.look() == nil { // else the first try says so
		k.look()
	}
}

// look sees whether what is in place can be used. A reload comes after that: it may
// wait for a server that itself waits until we are ready.
func (k *Keeper) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.see()
	if k.status.standing(k.file.Now()) < Expired {
		k.setReady()
	}
}

// see notes what is in place. The caller holds k.mu.
func (k *Keeper) see() {
	k.status.Levels, k.status.NextUpdate = k.file.inPlace.set.Levels(k.file.CAs), k.file.inPlace.set.NextUpdate()
}

func (k *Keeper) setReady() {
	select {
	case <-k.ready:
	default:
		close(k.ready)
	}
}

// Ready is closed when what is in place can be used, or else after the first try
// to make it so.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// Status is how things are now.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	s.Failures = maps.Clone(s.Failures)
	now := k.file.Now()
	s.Standing = s.standing(now)
	if s.overdue(now) && s.Error == "" {
		s.Error = fmt.Sprintf("the CRL is not up to date: the try that began at %s goes on still", s.trying.UTC().Format(time.RFC3339))
	}
	s.trying = time.Time{} // else each try would be news
	return s
}

// patience is how long what polling mends by itself is no matter for anyone.
const patience = 10 * time.Minute

// standing is the worst of all levels; an error is a warning at least, unless it may
// be over at the next poll.
func (s *Status) standing(now time.Time) Standing {
	worst := OK
	if s.Error != "" && (loudness(s.Kind) >= slog.LevelError || now.Sub(s.since) >= patience) || s.overdue(now) {
		worst = Warning
	}
	for _, l := range s.Levels {
		worst = max(worst, l.Standing(now))
	}
	return worst
}

// overdue reports whether a try takes longer than anyone should wait: for a CA that
// gives its CRL by the octet, or a command.
func (s *Status) overdue(now time.Time) bool {
	return !s.trying.IsZero() && now.Sub(s.trying) >= patience
}

func (k *Keeper) connected(yes bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Events = yes
}

// fetch is one turn. It is Follow's alone, as is the file.
func (k *Keeper) fetch(ctx context.Context, logger *slog.Logger) error {
	began := k.file.Now()
	k.try(began)
	result, err := k.file.Fetch(ctx)
	k.try(time.Time{})
	if ctx.Err() != nil {
		return err // ended by us: that says nothing
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.file.Now()
	s := &k.status
	s.LastTry, s.Fetches = now, s.Fetches+1
	if result != nil && result.Changed {
		s.Changes++
	}
	if result != nil && result.CommandRun {
		s.Reloads++
	}
	k.note(err, began, now, logger)
	k.see()
	k.speak(now, logger)
	k.setReady()
	return err
}

func (k *Keeper) try(began time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.trying = began
}

// repeat is how often an error is said that stays the same.
const repeat = time.Hour

// note keeps what a try came to that began then, and says what is new of it. The caller holds k.mu.
func (k *Keeper) note(err error, began, now time.Time, logger *slog.Logger) {
	s := &k.status
	if err == nil {
		if s.Error != "" {
			logger.Info("the CRL is fetched and in use again", "failed_for", now.Sub(s.since).Round(time.Second))
		}
		s.LastSuccess, s.Error, s.Hint, s.Kind = now, "", "", ""
		return
	}
	kind := KindOf(err)
	if kind != "refused" || !errors.As(err, new(*untriedError)) {
		s.Failures[kind]++
	}
	if s.Error == "" {
		s.since = began // and goes on where another failure follows
	}
	if kind != s.Kind || now.Sub(k.saidError) >= repeat {
		k.saidError = now
		logger.Log(context.Background(), loudness(kind), "the CRL could not be brought up to date", "error", err, "hint", exit.HintOf(err))
	}
	s.Error, s.Hint, s.Kind = err.Error(), exit.HintOf(err), kind
}

// watch looks at the clock until ctx ends: a CRL nears its end whether or not anything is fetched.
func (k *Keeper) watch(ctx context.Context, logger *slog.Logger) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		k.mu.Lock()
		now := k.file.Now()
		k.speak(now, logger)
		if s := &k.status; s.overdue(now) && !s.trying.Equal(k.saidLong) {
			k.saidLong = s.trying
			logger.Warn("a try to bring the CRL up to date takes long and goes on", "began", s.trying)
		}
		k.mu.Unlock()
	}
}

// speak says how each level stands where that is news, or was said long ago. The caller
// holds k.mu.
func (k *Keeper) speak(now time.Time, logger *slog.Logger) {
	for i, l := range k.status.Levels {
		standing, said := l.Standing(now), &k.said[i]
		a := alarm[standing]
		if standing == said.Standing && (standing == OK || now.Sub(said.at) < a.every) {
			continue
		}
		text := l.say(standing, now)
		if standing == OK {
			text = "a CRL is good again"
		}
		*said = saying{standing, now}
		logger.Log(context.Background(), a.level, text, "issuer", l.Issuer, "number", l.Number, "next_update", l.NextUpdate)
	}
}
