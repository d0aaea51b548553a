package relying

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"signet/revocation/crl"
)

// Why a delta CRL is of no use. The complete list is fetched then.
var (
	errNoBase   = errors.New("it builds on a newer complete CRL than the one in hand")
	errOlder    = errors.New("it is older than what is in force")
	errConflict = errors.New("it has the number of the one in force and says something else")
	errNotDelta = errors.New("it is no delta of the complete CRL")
	// errUnreachable is for a server that is silent, and costs a timeout each time.
	errUnreachable = errors.New("its server can't be reached")
)

// deltaRest is how long deltas are left alone whose server can't be reached.
const deltaRest = 10 * time.Minute

// deltaTimeout bounds the fetching of one, which is small.
const deltaTimeout = 15 * time.Second

// fetchDeltas reports whether deltas have brought every level of the feed up to
// date, so that no complete list is needed.
func (f *feed) fetchDeltas(ctx context.Context) bool {
	now := f.Now()
	if now.Before(f.deltasAt) {
		return false
	}
	for _, l := range f.levels {
		if s := l.now.Load(); s == nil || !usable(s.complete, now) {
			return false
		}
	}
	for _, l := range f.levels {
		if err := f.fetchDelta(ctx, l, now); err != nil {
			if errors.Is(err, errUnreachable) {
				f.deltasAt = now.Add(deltaRest)
			}
			f.Logger.Info("the complete CRL is fetched: its delta is of no use", "issuer", l.name(), "error", err)
			return false
		}
	}
	return true
}

func (f *feed) fetchDelta(ctx context.Context, l *level, now time.Time) error {
	s := l.now.Load()
	delta, err := f.download(ctx, s)
	if err != nil || delta == nil {
		return err
	}
	if err := accept(delta, s); err != nil {
		return err
	}
	if err := crl.Check(delta, l.ca, now, f.Slack); err != nil {
		return err
	}
	if delta.Number.Cmp(s.complete.Number) == 0 {
		return nil // the complete list says all of it
	}
	if l.setDelta(s.complete, delta) {
		f.Logger.Info("a delta CRL is in force", "issuer", l.name(), "number", delta.Number.String(),
			"base", delta.Base.String(), "entries", delta.Entries, "until", delta.NextUpdate.UTC().Format(time.RFC3339))
		f.copies.saveDelta(l, delta)
	}
	return nil
}

// accept holds a delta to RFC 5280, Section 5.2.4, and to what is in force.
func accept(delta *crl.List, s *lists) error {
	switch {
	case delta.Base == nil || delta.IDP != nil:
		return errNotDelta
	case delta.Base.Cmp(s.complete.Number) > 0: // (c): the complete CRL's number is the base's or higher
		return fmt.Errorf("%w: its base is %v, in hand is %v", errNoBase, delta.Base, s.complete.Number)
	case delta.Number.Cmp(s.number()) < 0:
		return fmt.Errorf("%w: number %v after %v", errOlder, delta.Number, s.number())
	case s.delta != nil && delta.Number.Cmp(s.delta.Number) == 0 && !bytes.Equal(delta.Raw, s.delta.Raw):
		return fmt.Errorf("%w: number %v", errConflict, delta.Number)
	}
	return nil
}

// download tries the URLs that the complete list names; nil where the delta in
// force is still the one.
func (f *feed) download(ctx context.Context, s *lists) (*crl.List, error) {
	ctx, cancel := context.WithTimeout(ctx, deltaTimeout)
	defer cancel()
	var failed error
	for _, url := range s.complete.Freshest[:min(len(s.complete.Freshest), 4)] {
		list, err := f.get(ctx, url, s.delta != nil)
		if err == nil {
			return list, nil
		}
		failed = errors.Join(failed, fmt.Errorf("%.200s: %w", url, err))
	}
	return nil, failed
}

func (f *feed) get(ctx context.Context, url string, known bool) (*crl.List, error) {
	if err := checkURL(url); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if tag := f.tags[url]; known && tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	resp, err := f.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotModified:
		return nil, nil
	case http.StatusOK:
	default:
		return nil, fmt.Errorf("HTTP status %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, f.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > f.MaxBytes {
		return nil, fmt.Errorf("it has more than %d octets", f.MaxBytes)
	}
	list, err := crl.Parse(body)
	if err == nil {
		f.tags[url] = resp.Header.Get("ETag")
	}
	return list, err
}
