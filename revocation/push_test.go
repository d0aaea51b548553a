package revocation_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signet/ca"
	"signet/ca/catest"
)

// A pipeServer is the world's HTTP server over pipes: nothing is buffered between
// the two ends, and a synctest bubble knows when both wait.
type pipeServer struct {
	*http.Server
	conns chan net.Conn
	ended chan struct{}
}

func (w *world) pipes() *pipeServer {
	w.Helper()
	s := &pipeServer{conns: make(chan net.Conn), ended: make(chan struct{})}
	// Shorter than any subscription.
	s.Server = &http.Server{Handler: w.handler, ReadTimeout: time.Second, WriteTimeout: 2 * time.Second}
	go func() { _ = s.Serve(s) }()
	w.Cleanup(func() { _ = s.Server.Close() })
	return s
}

func (s *pipeServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

func (s *pipeServer) Close() error {
	select {
	case <-s.ended:
	default:
		close(s.ended)
	}
	return nil
}

func (s *pipeServer) Addr() net.Addr { return &net.TCPAddr{} }

// subscribe asks for events and reads nothing.
func (s *pipeServer) subscribe(t testing.TB) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	s.conns <- far
	_, err := io.WriteString(near, "GET /crl/events HTTP/1.1\r\nHost: ca.example\r\n\r\n")
	must(t, err)
	return near
}

// response reads the head of the answer.
func response(t testing.TB, c net.Conn) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	return resp
}

// lines gives what is not a comment, until the stream ends.
func lines(r io.Reader) <-chan string {
	out := make(chan string, 100)
	go func() {
		defer close(out)
		for s := bufio.NewScanner(r); s.Scan(); {
			if line := s.Text(); line != "" && line != ":" {
				out <- line
			}
		}
	}()
	return out
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		synctest.Wait()
		c := w.pipes().subscribe(t)
		defer c.Close()
		resp := response(t, c)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%s %v", resp.Status, resp.Header)
		}
		got := lines(resp.Body)
		first := []string{<-got, <-got, <-got, <-got}
		for _, id := range []string{w.Issuer.ID(), ca.IssuerID(w.Root)} {
			want := fmt.Sprintf(`data: {"issuer":%q,"number":"%v","url":"/crl/%s.crl"}`, id, w.service.Publisher.Current(id).Number, id)
			if !strings.Contains(strings.Join(first, "\n"), "event: crl\n"+want) {
				t.Errorf("%q lacks %q", first, want)
			}
		}
		time.Sleep(time.Hour) // far beyond the server's time for a request
		alice, before := w.issue("alice"), time.Now()
		w.revoke(alice, ca.KeyCompromise)
		<-got
		number := w.service.Publisher.Current(w.Issuer.ID()).Number
		if data := <-got; !strings.Contains(data, fmt.Sprintf(`"number":"%v"`, number)) || time.Since(before) > time.Second {
			t.Errorf("after %s: %q, not number %v", time.Since(before), data, number)
		}
		// The root's CRL is a file that changes without a word.
		w.signRootCRL(2, 365*24*time.Hour)
		before = time.Now()
		<-got
		if data := <-got; !strings.Contains(data, `"number":"2"`) || time.Since(before) > 16*time.Second {
			t.Errorf("after %s: %q", time.Since(before), data)
		}
	})
}

func TestEventsEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.service.Run(ctx) }()
		s := w.pipes()
		c := s.subscribe(t)
		defer c.Close()
		got := lines(response(t, c).Body)
		<-got
		before := time.Now()
		stop()
		must(t, s.Shutdown(context.Background()))
		must(t, <-ended)
		// Shutdown itself looks every half a second.
		if time.Since(before) > time.Second {
			t.Errorf("a graceful stop waited %s for a subscriber", time.Since(before))
		}
		for range got { // until it is closed
		}
	})
}

func TestASlowSubscriberIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		c := w.pipes().subscribe(t)
		defer c.Close()
		time.Sleep(11 * time.Second)
		data, err := io.ReadAll(c)
		if len(data) > 0 || err != nil {
			t.Errorf("it is still there: %q, %v", data, err)
		}
	})
}

func TestSubscribersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		s := w.pipes()
		var all []net.Conn
		for range 128 {
			c := s.subscribe(t)
			all = append(all, c)
			if resp := response(t, c); resp.StatusCode != http.StatusOK {
				t.Fatalf("%d subscribers, then %s", len(all), resp.Status)
			}
		}
		c := s.subscribe(t)
		if resp := response(t, c); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("one too many: %s %v", resp.Status, resp.Header)
		}
		must(t, errors.Join(c.Close(), all[0].Close()))
		synctest.Wait()
		c = s.subscribe(t)
		if resp := response(t, c); resp.StatusCode != http.StatusOK {
			t.Errorf("one has left, and still: %s", resp.Status)
		}
		for _, one := range append(all[1:], c) {
			must(t, one.Close())
		}
		synctest.Wait()
	})
}

func TestEventsAreReadOnly(t *testing.T) {
	w := newWorldOf(t, catest.New(t), nil)
	r, err := http.Post(w.serve()+"/crl/events", "text/plain", nil)
	must(t, err)
	r.Body.Close()
	if r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%s", r.Status)
	}
	r, err = http.Head(w.serve() + "/crl/events")
	must(t, err)
	r.Body.Close()
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s %v", r.Status, r.Header)
	}
}
