package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/revocation/agent"
)

// A transport answers requests in a test's own time.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func answer(status int, body io.Reader, header ...string) *http.Response {
	r := &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Header: http.Header{}, Body: io.NopCloser(body), ContentLength: -1,
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// events is a transport that gives the stream r at each connection.
func events(connect func() *io.PipeReader) *http.Client {
	return &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		body := connect()
		context.AfterFunc(r.Context(), func() { body.CloseWithError(r.Context().Err()) })
		return answer(http.StatusOK, body, "Content-Type", "text/event-stream; charset=utf-8"), nil
	})}
}

// pass lets time pass in a bubble, until all in it wait for more.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// following follows in a bubble until the test function returns, and counts.
type following struct {
	mu    sync.Mutex  // owns the two below
	times []time.Time // of each fetch
	err   error       // of each
}

func (f *following) fetch(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times = append(f.times, time.Now())
	return f.err
}

func (f *following) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *following) fetched() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.times)
}

func follow(t *testing.T, c agent.FollowConfig, test func(f *following)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &following{}
		ctx, cancel := context.WithCancel(t.Context())
		c.Fetch = f.fetch
		if c.Logger == nil {
			c.Logger = slog.New(slog.DiscardHandler)
		}
		ended := make(chan error, 1)
		go func() { ended <- agent.Follow(ctx, c) }()
		synctest.Wait()
		test(f)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Follow ended with %v", err)
		}
	})
}

func TestFollowPolls(t *testing.T) {
	follow(t, agent.FollowConfig{Poll: time.Minute}, func(f *following) {
		pass(time.Hour)
		if n := len(f.fetched()); n < 60 || n > 75 {
			t.Errorf("%d fetches in an hour", n)
		}
		for i := 1; i < len(f.fetched()); i++ {
			if d := f.fetched()[i].Sub(f.fetched()[i-1]); d > time.Minute || d < 48*time.Second {
				t.Errorf("one after %s", d)
			}
		}
	})
}

func TestFollowBacksOff(t *testing.T) {
	follow(t, agent.FollowConfig{Poll: 2 * time.Minute}, func(f *following) {
		f.fail(errors.New("down"))
		pass(13 * time.Minute) // the first of them is within a minute or two
		var waits []time.Duration
		for i := 2; i < len(f.fetched()); i++ {
			waits = append(waits, f.fetched()[i].Sub(f.fetched()[i-1]))
		}
		if len(waits) < 10 || len(waits) > 25 || waits[0] > time.Second || waits[1] > 2*time.Second ||
			slices.Max(waits) > 2*time.Minute || waits[len(waits)-1] < time.Minute {
			t.Errorf("waits: %v", waits)
		}
		f.fail(nil)
		before := len(f.fetched())
		pass(2 * time.Minute)
		if len(f.fetched()) == before {
			t.Error("back, and no fetch within the poll interval")
		}
	})
}

// What a server asks for by Retry-After is done, also where an event comes; up to an hour.
func TestRetryAfter(t *testing.T) {
	var w *io.PipeWriter
	c := agent.FollowConfig{Poll: time.Minute, Events: "http://ca.example/crl/events", HTTP: events(func() (r *io.PipeReader) {
		r, w = io.Pipe() // within the bubble
		return r
	})}
	follow(t, c, func(f *following) {
		f.fail(&agent.StatusError{Status: "503 Service Unavailable", After: 10 * time.Minute})
		pass(time.Minute)
		n := len(f.fetched())
		if _, err := io.WriteString(w, "event: crl\ndata: {}\n\n"); err != nil {
			t.Error(err)
		}
		pass(8 * time.Minute)
		if len(f.fetched()) != n {
			t.Errorf("%d fetches too early", len(f.fetched())-n)
		}
		pass(3*time.Minute + 10*time.Second) // up to a tenth is added
		if len(f.fetched()) != n+1 {
			t.Errorf("%d fetches after ten minutes", len(f.fetched())-n)
		}
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		heard := make(chan bool, 10)
		ctx, cancel := context.WithCancel(t.Context())
		f := &following{}
		ended := make(chan error, 1)
		go func() {
			ended <- agent.Follow(ctx, agent.FollowConfig{
				Poll: time.Hour, Events: "http://ca.example/crl/events", Logger: slog.New(slog.DiscardHandler),
				Fetch:     f.fetch,
				HTTP:      events(func() *io.PipeReader { return r }),
				Connected: func(yes bool) { heard <- yes },
			})
		}()
		if !<-heard {
			t.Error("not heard")
		}
		for i, text := range []string{
			"event: crl\ndata: {}\n\n", "event: crl\r\ndata: x\r\n\r\n",
			"retry: 1\nid: 7\nevent:crl\ndata: <script>\ndata\n\n", "event: crl\n\n",
		} {
			pass(10 * time.Second)
			before := time.Now()
			_, _ = io.WriteString(w, text)
			pass(9 * time.Second)
			all := f.fetched()
			if n := len(all); n != i+2 || all[n-1].Sub(before) > time.Second {
				t.Errorf("%q: %d fetches, the last after %s", text, n, all[n-1].Sub(before))
			}
		}
		// Nothing else is an event.
		quiet := len(f.fetched())
		_, _ = io.WriteString(w, ": crl\n\ndata: crl\n\nevent: crls\ndata: {}\n\nevent: crl\nevent: other\n\n\n\n")
		pass(20 * time.Second)
		if n := len(f.fetched()); n != quiet {
			t.Errorf("%d fetches without an event", n-quiet)
		}
		// A flood is no reason to flood the CA.
		before := time.Now()
		for range 10000 {
			_, _ = io.WriteString(w, "event: crl\n\n")
			pass(time.Millisecond)
		}
		synctest.Wait()
		n := len(f.fetched()) - quiet
		if most := int(time.Since(before)/(500*time.Millisecond)) + 2; n < 5 || n > most {
			t.Errorf("%d fetches in %s", n, time.Since(before))
		}
		w.Close()
		if <-heard {
			t.Error("the end of the stream is not noticed")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A connection that is dead without a word is given up, and made anew.
func TestEventsFallSilent(t *testing.T) {
	connects := &following{}
	c := agent.FollowConfig{Poll: time.Hour, Events: "http://ca.example/crl/events", HTTP: events(func() *io.PipeReader {
		_ = connects.fetch(context.Background())
		r, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, "event: crl\n\n") }()
		return r
	})}
	follow(t, c, func(*following) {
		pass(100 * time.Second)
		at := connects.fetched()
		if len(at) != 3 || at[1].Sub(at[0]) < 45*time.Second || at[1].Sub(at[0]) > 47*time.Second {
			t.Errorf("connected at %v", at)
		}
	})
}

// Where there is no push, or it misbehaves, polling is enough alone, and it is said once.
func TestNoEvents(t *testing.T) {
	for name, c := range map[string]struct {
		connect transport
		tries   int // in an hour, at most
	}{
		"unreachable": {func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, 130},
		"not found":   {func(*http.Request) (*http.Response, error) { return answer(404, strings.NewReader("no")), nil }, 13},
		"too many": {func(*http.Request) (*http.Response, error) {
			return answer(503, strings.NewReader("no"), "Retry-After", "300"), nil
		}, 13},
		"a page": {func(*http.Request) (*http.Response, error) {
			return answer(200, strings.NewReader("event: crl\n\n"), "Content-Type", "text/html"), nil
		}, 13},
		"an endless line": {func(*http.Request) (*http.Response, error) {
			return answer(200, io.LimitReader(letters{}, 1<<30), "Content-Type", "text/event-stream"), nil
		}, 130},
	} {
		t.Run(name, func(t *testing.T) {
			log := &logBook{}
			var tries atomic.Int32
			follow(t, agent.FollowConfig{
				Poll: time.Minute, Events: "http://ca.example/crl/events",
				Logger: slog.New(log),
				HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
					tries.Add(1)
					return c.connect(r)
				})},
			}, func(f *following) {
				pass(time.Hour)
				if n := len(f.fetched()); n < 60 || n > 80 {
					t.Errorf("%d fetches in an hour", n)
				}
				if n := int(tries.Load()); n < 4 || n > c.tries {
					t.Errorf("%d tries to hear events in an hour", n)
				}
				if said := log.all(); len(said) > 1 || len(said) == 1 && said[0].level > slog.LevelInfo {
					t.Errorf("it is said too often, or too loud: %v", said)
				}
			})
		})
	}
}

// letters are endless.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte('a' + rand.IntN(26))
	}
	return len(p), nil
}

func TestEventsURL(t *testing.T) {
	for crl, want := range map[string]string{
		"http://ca.example:8080/crl/bundle.pem":          "http://ca.example:8080/crl/events",
		"http://ca.example/crl/0123456789abcdef.crl?x=1": "http://ca.example/crl/events",
		"https://proxy.example/signet/crl/bundle.pem":    "https://proxy.example/signet/crl/events",
		"http://ca.example/x.crl":                        "http://ca.example/events",
	} {
		if got, err := agent.EventsURL(crl); err != nil || got != want {
			t.Errorf("%s: %s, %v", crl, got, err)
		}
	}
}
