package revocation

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxSubscribers is how many hear events at a time: each holds a connection of
	// the listener's, and takes another at each new CRL. The rest are for OCSP.
	maxSubscribers = 400
	// maxSubscribersOfHost keeps one host from taking all of them.
	maxSubscribersOfHost = 128
	// heartbeat is the time between comments, so that both ends know when the other is gone.
	heartbeat = 15 * time.Second
	// pushTimeout is how long a subscriber may take to read what is written.
	pushTimeout = 10 * time.Second
)

// A push tells those who listen to server-sent events that there is a new CRL. An
// event is a hint to look, and its receiver trusts nothing but the signed CRL: so
// nothing is queued, a subscriber is told what is current when it gets round to it.
type push struct {
	mu     sync.Mutex
	wakes  map[chan struct{}]string // each subscriber's, which holds one, and its host
	hosts  map[string]int           // subscribers of each
	closed bool
	done   chan struct{} // closed when closed is set
}

func newPush() *push {
	return &push{wakes: map[chan struct{}]string{}, hosts: map[string]int{}, done: make(chan struct{})}
}

// announce says that a CRL with that number is in force, of the issuer with that ID.
// It never waits; what subscribers are told is what is in force when they are.
func (p *push) announce(_, _ string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for wake := range p.wakes {
		select {
		case wake <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}

// close ends every subscription, for a server that stops. A new one is refused then.
func (p *push) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.done)
	}
}

// subscribe returns a channel that is told of announcements; ok is false where
// there are too many already.
func (p *push) subscribe(host string) (wake chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.wakes) >= maxSubscribers || p.hosts[host] >= maxSubscribersOfHost {
		return nil, false
	}
	wake = make(chan struct{}, 1)
	p.wakes[wake] = host
	p.hosts[host]++
	return wake, true
}

func (p *push) unsubscribe(wake chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := p.wakes[wake]
	delete(p.wakes, wake)
	if p.hosts[host]--; p.hosts[host] == 0 {
		delete(p.hosts, host)
	}
}

// An announcement is the data of an event.
type announcement struct {
	Issuer string `json:"issuer"` // its ID
	Number string `json:"number"` // decimal
	URL    string `json:"url"`    // the CRL's, on this server
}

// serveEvents gives server-sent events (HTML Living Standard, Section 9.2): one
// named "crl" for each issuer at once, and then whenever its CRL is another.
func (h *handler) serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx as a proxy would hold events back
	if r.Method == http.MethodHead {
		return
	}
	p := h.publisher.push
	wake, ok := p.subscribe(hostOf(r))
	if !ok {
		w.Header().Set("Retry-After", "300")
		http.Error(w, "too many listen already; polling is enough", http.StatusServiceUnavailable)
		return
	}
	defer p.unsubscribe(wake)
	s := stream{w: w, control: http.NewResponseController(w), told: map[string]string{}}
	// The server's ReadTimeout is for requests; it would end the stream as well.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for s.tell(h) == nil {
		select {
		case <-wake:
		case <-beat.C: // the root's CRL is a file: it is looked at now and then
			s.comment()
		case <-p.done:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// A stream is one subscriber's.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	told    map[string]string // the number of each issuer's CRL
	text    []byte            // to be written
}

// tell writes an event for each issuer whose CRL the subscriber has not been told of.
// It fails where that does not read.
func (s *stream) tell(h *handler) error {
	for id := range h.ids {
		l := h.publisher.Current(id)
		if l == nil || s.told[id] == l.Number.String() {
			continue
		}
		s.told[id] = l.Number.String()
		data, err := json.Marshal(announcement{Issuer: id, Number: s.told[id], URL: "/crl/" + id + ".crl"})
		if err != nil {
			return err
		}
		s.text = fmt.Appendf(s.text, "event: crl\ndata: %s\n\n", data)
	}
	return s.flush()
}

func (s *stream) comment() { s.text = append(s.text, ":\n\n"...) }

func (s *stream) flush() error {
	text := s.text
	if len(s.told) == 0 && len(text) == 0 {
		text = []byte(":\n\n") // so that the subscriber knows that it is heard
	}
	s.text = nil
	if len(text) == 0 {
		return nil
	}
	// In place of the server's WriteTimeout, which is for answers that end.
	if err := s.control.SetWriteDeadline(time.Now().Add(pushTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}
