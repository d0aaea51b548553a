package revocation

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// A download must go on at this pace at least. The server's WriteTimeout is for
// answers of some kilobytes: with it, whoever has a slow line would never get a
// big CRL, and would refuse everyone once the last one has run out.
const (
	paceOctets = 1 << 20
	paceTime   = time.Minute
)

// stopTime is how long downloads under way may go on once the server stops: one slow
// downloader must not keep it from starting again. Whoever is cut off asks again.
const stopTime = 5 * time.Second

// downloads are the CRLs being given out.
type downloads struct {
	mu    sync.Mutex // owns the fields below
	under map[*download]struct{}
	end   time.Time // of all of them; zero while the server isn't stopping
}

// A download is one of them, and gets more time as it goes on.
type download struct {
	http.ResponseWriter
	all     *downloads
	written int // since the time was last set
}

// begin is done with when the caller has called done.
func (d *downloads) begin(w http.ResponseWriter) *download {
	one := &download{ResponseWriter: w, all: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.under == nil {
		d.under = map[*download]struct{}{}
	}
	d.under[one] = struct{}{}
	if !d.end.IsZero() {
		_ = one.until(d.end)
	}
	return one
}

// done sends what a buffer still holds: later, nothing bounds that any more but the server's
// WriteTimeout.
func (w *download) done() {
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	delete(w.all.under, w)
}

// stop gives those under way stopTime, and those that begin later no more than that.
func (d *downloads) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end = time.Now().Add(stopTime)
	for one := range d.under {
		_ = one.until(d.end)
	}
}

func (w *download) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	if w.written += n; w.written >= paceOctets && err == nil {
		w.written = 0
		err = w.goOn()
	}
	return n, err
}

// goOn gives it time for the next octets, unless the server is stopping.
func (w *download) goOn() error {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if !w.all.end.IsZero() {
		return nil
	}
	return w.until(time.Now().Add(paceTime))
}

// until sets when it must be over; the caller holds the mutex.
func (w *download) until(t time.Time) error {
	err := http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
