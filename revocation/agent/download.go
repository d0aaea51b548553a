package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"signet/revocation/crl"
)

// fetchAll asks every URL. It returns the CRLs that came, verified to be those
// of our CAs, and the entity tags to ask with the next time. Where a URL says that
// nothing has changed, it gives none: those in place stand.
func (f *fetch) fetchAll(ctx context.Context) ([]*crl.List, map[string]string, error) {
	var lists []*crl.List
	tags := map[string]string{}
	for _, url := range f.URLs {
		body, tag, err := f.get(ctx, url)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", url, err)
		}
		if tag != "" {
			tags[url] = tag
		}
		if body == nil {
			continue
		}
		found, err := f.parse(body)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", url, err)
		}
		lists = append(lists, found...)
	}
	return lists, tags, nil
}

// get fetches one URL; body is nil where it has not changed since the file in
// place was made.
func (f *fetch) get(ctx context.Context, url string) (body []byte, tag string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	known := f.state.Tags[url]
	if known != "" {
		req.Header.Set("If-None-Match", known)
	}
	resp, err := f.HTTP.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && known != "" {
		return nil, known, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%w: HTTP status %s", ErrUnreachable, resp.Status)
	}
	body, err = f.read(resp.Body)
	if err != nil {
		return nil, "", err
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return nil, "", fmt.Errorf("%w: it is an HTML page", crl.ErrMalformed)
	}
	return body, resp.Header.Get("ETag"), nil
}

func (f *fetch) read(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, f.MaxBytes+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: the answer broke off after %d octets", ErrUnreachable, len(body))
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case int64(len(body)) > f.MaxBytes:
		return nil, fmt.Errorf("%w: more than %d octets", ErrTooBig, f.MaxBytes)
	}
	return append([]byte{}, body...), nil // never nil: that would be "not modified"
}
