package agent_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/revocation/agent"
)

// A logBook keeps what was logged, and when.
type logBook struct {
	mu    sync.Mutex // owns lines
	began time.Time
	lines []logLine
}

type logLine struct {
	at    time.Duration // since the book began
	level slog.Level
	text  string
}

func (b *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logBook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logBook) WithGroup(string) slog.Handler            { return b }
func (b *logBook) Handle(_ context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, logLine{time.Since(b.began), r.Level, r.Message})
	return nil
}

// first is the first line of that level, or worse, that has the text.
func (b *logBook) first(level slog.Level, text string) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lines {
		if l.level >= level && strings.Contains(l.text, text) {
			return l.at, true
		}
	}
	return 0, false
}

func (b *logBook) all() []logLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines)
}

// keep runs a keeper within a bubble.
func keep(t *testing.T, s *source, c agent.KeeperConfig, test func(k *agent.Keeper, log *logBook)) {
	t.Helper()
	log := &logBook{began: time.Now()}
	s.conf.Logger, s.conf.Now = slog.New(log), time.Now
	file, err := agent.Open(s.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	k := agent.NewKeeper(file, c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	synctest.Wait()
	<-k.Ready()
	test(k, log)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// The CRLs of this test hold for 10 hours, and one of them is gone: the list stays, it
// is shouted in time, and when the CA is back all is well at the next poll.
func TestTheCAIsDownForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		up := s.conf.HTTP.Transport
		var down atomic.Bool
		s.conf.HTTP = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if down.Load() {
				return nil, errors.New("no route to host")
			}
			return up.RoundTrip(r)
		})}
		keep(t, s, agent.KeeperConfig{Poll: time.Minute}, func(k *agent.Keeper, log *logBook) {
			before := s.inPlace()
			if st := k.Status(); st.Standing != agent.OK || len(st.Levels) != 2 || st.Error != "" || st.Changes != 1 {
				t.Errorf("%+v", st)
			}
			down.Store(true)
			pass(5 * time.Minute)
			if st := k.Status(); st.Standing != agent.OK || st.Error == "" {
				t.Errorf("for a moment: %+v", st)
			}
			pass(2*time.Hour - 5*time.Minute)
			st := k.Status()
			if st.Standing != agent.Warning || st.Kind != "unreachable" || st.Failures["unreachable"] < 100 || st.Failures["unreachable"] > 300 ||
				time.Since(st.LastSuccess) < 2*time.Hour {
				t.Errorf("%+v", st)
			}
			pass(22 * time.Hour)
			if !bytes.Equal(s.inPlace(), before) {
				t.Error("the list in place was changed")
			}
			if st := k.Status(); st.Standing != agent.Expired {
				t.Errorf("%+v", st)
			}
			for _, want := range []struct {
				level slog.Level
				text  string
				at    time.Duration
			}{
				{slog.LevelWarn, "could not be brought up to date", time.Minute},
				{slog.LevelWarn, "runs out in", 9*time.Hour - 10*time.Hour/3},
				{slog.LevelError, "runs out in", 8 * time.Hour},
				{slog.LevelError, "has run out", 9 * time.Hour},
			} {
				if at, ok := log.first(want.level, want.text); !ok || at < want.at-time.Minute || at > want.at+time.Minute {
					t.Errorf("%s %q: at %s (%v), not at %s", want.level, want.text, at, ok, want.at)
				}
			}
			if n := len(log.all()); n > 300 {
				t.Errorf("%d lines in a day", n)
			}
			down.Store(false)
			s.now = time.Now()
			s.bundle(s.list(s.Issuer, 11), s.list(s.RootIssuer, 4))
			pass(time.Minute)
			if st := k.Status(); st.Standing != agent.OK || st.Levels[0].Number != "11" || st.Error != "" {
				t.Errorf("the CA is back: %+v", st)
			}
			if at, ok := log.first(slog.LevelInfo, "again"); !ok || at < 24*time.Hour {
				t.Errorf("that it is back is not said: %s, %v", at, ok)
			}
		})
	})
}

// With events, a new CRL is in place within a second, also the one of the day on which
// the CA was away.
func TestAnEventBringsTheNextCRL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		up := s.conf.HTTP.Transport
		var stream *io.PipeWriter
		s.conf.HTTP = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/events" {
				return up.RoundTrip(r)
			}
			body, w := io.Pipe()
			stream = w
			context.AfterFunc(r.Context(), func() { body.CloseWithError(r.Context().Err()) })
			return answer(http.StatusOK, body, "Content-Type", "text/event-stream"), nil
		})}
		events, err := agent.EventsURL(s.conf.URLs[0])
		if err != nil {
			t.Fatal(err)
		}
		keep(t, s, agent.KeeperConfig{Poll: time.Hour, Events: events}, func(k *agent.Keeper, _ *logBook) {
			if !k.Status().Events {
				t.Error("events are not heard")
			}
			for n := uint64(11); n < 15; n++ {
				pass(10 * time.Second)
				s.bundle(s.list(s.Issuer, n), s.list(s.RootIssuer, n))
				_, _ = io.WriteString(stream, "event: crl\ndata: {}\n\n")
				pass(time.Second)
				if !bytes.Equal(s.inPlace(), s.bodies["/bundle.pem"]) {
					t.Errorf("number %d is not in place after a second", n)
				}
			}
		})
	})
}

// What is in place from the run before is good enough to begin with, even if the CA is away.
func TestReadyWithoutTheCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		s.mustFetch()
		s.conf.HTTP = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done() // a host that swallows everything
			return nil, r.Context().Err()
		})}
		began := time.Now()
		keep(t, s, agent.KeeperConfig{}, func(k *agent.Keeper, _ *logBook) {
			if time.Since(began) > 0 {
				t.Errorf("ready after %s", time.Since(began))
			}
			if st := k.Status(); st.Standing != agent.OK || st.Fetches != 0 {
				t.Errorf("%+v", st)
			}
		})
	})
	synctest.Test(t, func(t *testing.T) {
		s := newQuietSource(t)
		s.conf.HTTP = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		began := time.Now()
		keep(t, s, agent.KeeperConfig{}, func(k *agent.Keeper, log *logBook) {
			if d := time.Since(began); d != 30*time.Second {
				t.Errorf("the first try ended after %s", d)
			}
			if st := k.Status(); st.Standing != agent.Missing || st.Levels[1].Issuer != s.Root.Subject.String() {
				t.Errorf("%+v", st)
			}
			if _, ok := log.first(slog.LevelError, "servers refuse everyone"); !ok {
				t.Error("that there is no CRL is not said")
			}
		})
	})
}

// At boot a server may wait until the agent is ready, and its reload for the server.
func TestReadyBeforeTheReload(t *testing.T) {
	s := newSource(t)
	started := filepath.Join(t.TempDir(), "started")
	s.conf.Reload = "while ! test -e " + started + "; do sleep 0.01; done"
	file, err := agent.Open(s.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	k := agent.NewKeeper(file, agent.KeeperConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	<-k.Ready()
	if n := k.Status().Reloads; n != 0 || len(s.inPlace()) == 0 {
		t.Errorf("%d reloads", n)
	}
	if err := os.WriteFile(started, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); k.Status().Reloads == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if st := k.Status(); st.Reloads != 1 || st.Standing != agent.OK {
		t.Errorf("%+v", st)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
