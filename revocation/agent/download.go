package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"signet/revocation/crl"
)

const (
	// silence is how long a server may give nothing before it is given up on.
	silence = 30 * time.Second
	// A big CRL over a slow line takes as long as it takes, but in each stretch of it
	// this much must come. With the bound on octets, this bounds the time.
	stretch    = time.Minute
	minStretch = int64(stretch/time.Second) * 8 << 10
)

// newHTTP is the client for those who bring none.
func newHTTP() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	t.DisableCompression = true
	t.IdleConnTimeout = 5 * time.Second // a connection at the CA is one that others don't have
	return &http.Client{Transport: t, CheckRedirect: sameHost}
}

// sameHost follows a redirect on the host that was asked, as from http to https. A
// hotel's network, or a CA that has moved, says so to its operator first.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("more than three redirects")
	}
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return fmt.Errorf("redirected to another host: %.200s", req.URL.Redacted())
	}
	return nil
}

// get fetches one URL and calls yield with each CRL in it; not at all where it
// has not changed since it gave the entity tag known. It returns the tag of what came.
func (s *Source) get(ctx context.Context, url, known string, yield func(der []byte) error) (tag string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := newQuiet(silence, cancel)
	defer quiet.stop()
	resp, err := s.request(ctx, url, known)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnreachable, quiet.explain(err))
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && known != "":
		return known, nil
	case resp.StatusCode != http.StatusOK:
		return "", &StatusError{Code: resp.StatusCode, Status: resp.Status, After: retryAfter(resp.Header, s.Now())}
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
		return "", fmt.Errorf("%w: it is an HTML page", crl.ErrMalformed)
	case resp.Header.Get("Content-Encoding") != "": // none was asked for
		return "", fmt.Errorf("%w: it is compressed (%.40q)", crl.ErrMalformed, resp.Header.Get("Content-Encoding"))
	case resp.ContentLength > s.MaxBytes:
		return "", fmt.Errorf("%w: %d octets, and not more than %d", ErrTooBig, resp.ContentLength, s.MaxBytes)
	}
	err = scan(&steadyReader{from: quiet.reader(resp.Body), began: time.Now()}, s.MaxBytes, yield)
	if errors.As(err, new(*readError)) {
		return "", fmt.Errorf("%w: the answer broke off: %w", ErrUnreachable, quiet.explain(err))
	}
	return resp.Header.Get("ETag"), err
}

func (s *Source) request(ctx context.Context, url, known string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if known != "" {
		req.Header.Set("If-None-Match", known)
	}
	// A cache on the way asks the CA, whatever it keeps: a revocation is not to wait for it.
	req.Header.Set("Cache-Control", "no-cache")
	// Set by hand, this keeps the transport from unpacking what another server has packed.
	req.Header.Set("Accept-Encoding", "identity")
	return s.HTTP.Do(req)
}

// A quiet ends a request when nothing has come for a while.
type quiet struct {
	timer *time.Timer
	after time.Duration
	fired chan struct{}
}

func newQuiet(after time.Duration, cancel func()) *quiet {
	q := &quiet{after: after, fired: make(chan struct{})}
	q.timer = time.AfterFunc(after, func() { close(q.fired); cancel() })
	return q
}

func (q *quiet) stop() { q.timer.Stop() }

// heard puts the end off. It has no effect once that has come.
func (q *quiet) heard() {
	if q.timer.Stop() {
		q.timer.Reset(q.after)
	}
}

// explain is the reason behind err where that came of ending the request.
func (q *quiet) explain(err error) error {
	select {
	case <-q.fired:
		return fmt.Errorf("the server gave nothing for %s", q.after)
	default:
		return err
	}
}

func (q *quiet) reader(r io.Reader) io.Reader { return &quietReader{q, r} }

type quietReader struct {
	*quiet
	from io.Reader
}

func (r *quietReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.heard()
	return n, err
}

// A steadyReader fails when too little comes. Silence is for another to notice: a read
// that returns nothing is not looked at.
type steadyReader struct {
	from  io.Reader
	began time.Time // of this stretch
	got   int64     // in it
}

func (r *steadyReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.got += int64(n)
	took := time.Since(r.began)
	switch {
	case err != nil || took < stretch:
		return n, err
	case r.got < minStretch:
		return n, fmt.Errorf("the server gave %d octets in %s, which is too slow", r.got, took.Round(time.Second))
	}
	r.began, r.got = time.Now(), 0
	return n, nil
}
