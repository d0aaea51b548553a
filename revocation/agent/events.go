package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"time"
)

const (
	// eventSilence is how long nothing may come: the CA writes a comment each 15 seconds.
	eventSilence = 45 * time.Second
	// maxReconnect bounds the waits between tries to hear events; noEvents is the
	// wait where the server says that it has none, until it may have learned them.
	maxReconnect = time.Minute
	noEvents     = 10 * time.Minute
	// maxEventLine bounds a line of the stream.
	maxEventLine = 8 << 10
)

// EventsURL is where the CA that gives a CRL at that URL tells of new ones: beside it.
func EventsURL(crl string) (string, error) {
	u, err := url.Parse(crl)
	if err != nil {
		return "", err
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = path.Join("/", path.Dir(u.Path), "events"), "", "", ""
	return u.String(), nil
}

// errNoEvents is for a server that answers, and has no events.
var errNoEvents = errors.New("the server has no events")

// listen hears the CA's events until ctx ends. They are a hint that there is something
// to look at, nothing more: what they say is not read, and that they can't be heard
// is said once and is no error.
func (f *follower) listen(ctx context.Context) error {
	client := &http.Client{Transport: f.HTTP.Transport, CheckRedirect: f.HTTP.CheckRedirect, Jar: f.HTTP.Jar}
	for failures := 0; ; failures++ {
		began := time.Now()
		heard, err := f.hear(ctx, client)
		switch {
		case ctx.Err() != nil:
			return nil
		case heard && time.Since(began) > maxReconnect:
			failures = 0
		case !heard:
			f.say("the CA's events can't be heard; polling goes on", "error", err, "poll", f.Poll)
		}
		sleep(ctx, reconnect(failures, err))
	}
}

// say logs what has become of the events, once until something else has.
func (f *follower) say(text string, args ...any) {
	if f.said != text {
		f.said = text
		f.Logger.Info(text, args...)
	}
}

// reconnect is how long to wait after so many failures in a row.
func reconnect(failures int, err error) time.Duration {
	back := min(firstRetry<<min(failures, 10), maxReconnect)
	if errors.Is(err, errNoEvents) {
		back = noEvents
	}
	back = back/2 + jitter(back/2)
	if status, ok := errors.AsType[*StatusError](err); ok {
		back = max(back, status.After+jitter(status.After/10))
	}
	return back
}

// hear connects, and reports events until the stream ends. heard tells whether it began.
func (f *follower) hear(ctx context.Context, client *http.Client) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := newQuiet(eventSilence, cancel)
	defer quiet.stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.Events, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := client.Do(req)
	if err != nil {
		return false, quiet.explain(err)
	}
	defer resp.Body.Close()
	if err := f.isStream(resp); err != nil {
		return false, err
	}
	f.say("the CA's events are heard", "url", f.Events)
	f.Connected(true)
	defer f.Connected(false)
	return true, quiet.explain(readEvents(quiet.reader(resp.Body), f.seen))
}

func (f *follower) isStream(resp *http.Response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode == http.StatusOK && kind == "text/event-stream":
		return nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented:
		return &StatusError{Code: resp.StatusCode, Status: resp.Status, After: retryAfter(resp.Header, f.Now())}
	case resp.StatusCode == http.StatusOK:
		return fmt.Errorf("%w: it gave %.60q", errNoEvents, kind)
	}
	return fmt.Errorf("%w: %s", errNoEvents, resp.Status)
}

// readEvents calls seen at each event of the kind "crl" in a stream of server-sent
// events (HTML Living Standard, Section 9.2.6), until that ends. All else in it is
// passed over; a line that is too long ends it.
func readEvents(r io.Reader, seen func()) error {
	lines, kind := bufio.NewReaderSize(r, maxEventLine), ""
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
			line = line[:len(line)-1]
		}
		switch text := string(line); {
		case text == "" && kind == "crl":
			seen()
			kind = ""
		case text == "":
			kind = ""
		case text == "event: crl" || text == "event:crl":
			kind = "crl"
		case len(text) > 6 && text[:6] == "event:":
			kind = "other"
		}
	}
}
