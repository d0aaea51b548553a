package enroll

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"signet/ca"
	"signet/internal/problem"
)

// What a [Client] fails with, beside *[problem.Problem] for what the server refused.
var (
	// ErrUnreachable wraps what kept a request from reaching the server, or the
	// answer from coming back.
	ErrUnreachable = errors.New("the CA can't be reached")
	// ErrUntrusted wraps what was wrong with the server's TLS certificate.
	ErrUntrusted = errors.New("the CA's TLS certificate is not to be trusted")
)

// Credentials are what a client presents. With none, it is known by the client
// certificate of its HTTP client, where that has one.
type Credentials struct {
	Account, Password string // HTTP Basic, where Account is not ""
	Code              string // an enrollment code, where it is not ""
}

// A Client speaks the API of docs/api.md. Calls that change nothing when they
// are made twice are tried again when the server is out of reach.
//
// A call fails with *[problem.Problem] where the server refused, with
// [ErrUnreachable] or [ErrUntrusted] where there was no answer, and with the
// card's own error where the card could not sign the TLS handshake.
type Client struct {
	// BaseURL is the CA's: "https://ca.example:8443".
	BaseURL string
	// HTTP is made by [NewHTTPClient]; nil means http.DefaultClient.
	HTTP        *http.Client
	Credentials Credentials
	// Attempts is how often an idempotent call is made at most; 0 means 4.
	Attempts int
	// Backoff is the wait before the second attempt, doubled with each; 0
	// means 250 ms.
	Backoff time.Duration
}

// maxAnswer is the longest answer read, in bytes.
const maxAnswer = 4 << 20

// Plan asks what a profile offers: its key plan and a nonce. profile "" means
// the account's first. It is refused where the account may not enroll on the card with
// that serial number; 0 is for no card, or one that doesn't tell.
func (c *Client) Plan(ctx context.Context, profile string, card uint32) (*Offer, error) {
	if profile == "" {
		profile = "default"
	}
	path := "/api/v1/profiles/" + url.PathEscape(profile)
	if card != 0 {
		path += "?card=" + strconv.FormatUint(uint64(card), 10)
	}
	var out Offer
	return &out, c.idempotent(ctx, "GET", path, nil, &out)
}

// Submit hands in CSRs, the main one and those that go with it, and returns the
// certificates, With in the order of the requests after the first. All are
// certified or none. The same CSRs give the same certificates, so it may be
// called again with those whose answer was lost.
func (c *Client) Submit(ctx context.Context, requests ...Request) (*Issued, error) {
	if len(requests) == 0 {
		return nil, errors.New("submitting: there is no CSR")
	}
	members := make([]member, len(requests))
	for i, r := range requests {
		members[i] = member{Profile: r.Profile, CSR: base64.StdEncoding.EncodeToString(r.CSR)}
	}
	var out Issued
	err := c.idempotent(ctx, "POST", "/api/v1/certificates", submission{members[0], members[1:]}, &out)
	if err == nil && len(out.With) != len(requests)-1 {
		err = fmt.Errorf("submitting %d CSRs: %d certificates came back", len(requests), 1+len(out.With))
	}
	return &out, err
}

// RenewalCode asks for the one-time code that enrolls a new key in place of the
// certificate that the client is known by.
func (c *Client) RenewalCode(ctx context.Context) (*Ticket, error) {
	var out Ticket
	return &out, c.once(ctx, "POST", "/api/v1/renewals", renewal{}, &out)
}

// Certificates lists the account's certificates, the newest first.
func (c *Client) Certificates(ctx context.Context) ([]Record, error) {
	var out recordList
	err := c.idempotent(ctx, "GET", "/api/v1/certificates", nil, &out)
	return out.Certificates, err
}

// Certificate tells of one of the account's certificates.
func (c *Client) Certificate(ctx context.Context, serial ca.Serial) (*Record, error) {
	var out Record
	return &out, c.idempotent(ctx, "GET", "/api/v1/certificates/"+serial.String(), nil, &out)
}

// Revoke takes one of the account's certificates back.
func (c *Client) Revoke(ctx context.Context, serial ca.Serial, reason ca.Reason) error {
	path := "/api/v1/certificates/" + serial.String() + "/revocation"
	return c.once(ctx, "POST", path, withdrawal{Reason: reason.String()}, nil)
}

// idempotent is once, again while the server is out of reach or says that it is busy.
func (c *Client) idempotent(ctx context.Context, method, path string, in, out any) error {
	attempts, wait := c.Attempts, c.Backoff
	if attempts == 0 {
		attempts = 4
	}
	if wait == 0 {
		wait = 250 * time.Millisecond
	}
	for n := 1; ; n++ {
		err := c.once(ctx, method, path, in, out)
		if err == nil || n >= attempts || !worthRetrying(err) {
			return err
		}
		// Half of the wait is drawn, so that clients that failed together don't
		// come back together.
		pause := wait/2 + rand.N(wait/2+1)
		var busy *busyError
		if errors.As(err, &busy) {
			pause = max(pause, busy.after)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		wait *= 2
	}
}

// maxPause is the longest Retry-After that a call sits out, rather than failing.
const maxPause = 10 * time.Second

// A busyError is a refusal that time alone will cure.
type busyError struct {
	*problem.Problem
	after time.Duration
}

func (e *busyError) Unwrap() error { return e.Problem }

func worthRetrying(err error) bool {
	var busy *busyError
	if errors.As(err, &busy) {
		return busy.after <= maxPause
	}
	return errors.Is(err, ErrUnreachable) && !errors.Is(err, context.Canceled)
}

// once makes one request. out is filled from a 2xx answer; nil where none is wanted.
func (c *Client) once(ctx context.Context, method, path string, in, out any) error {
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	resp, err := c.http().Do(req)
	if err != nil {
		return classify(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return classify(err)
	}
	if resp.StatusCode/100 != 2 {
		return refusal(resp, body)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("reading the answer to %s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.BaseURL, "/")+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, "+problem.ContentType)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.Credentials.Code != "":
		req.Header.Set("Authorization", codeScheme+" "+c.Credentials.Code)
	case c.Credentials.Account != "":
		req.SetBasicAuth(c.Credentials.Account, c.Credentials.Password)
	}
	return req, nil
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

// refusal makes an error of an answer that is not 2xx.
func refusal(resp *http.Response, body []byte) error {
	p := &problem.Problem{}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != problem.ContentType || json.Unmarshal(body, p) != nil {
		p = &problem.Problem{Title: "the server answered " + resp.Status}
	}
	p.Status = resp.StatusCode
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &busyError{Problem: p, after: time.Duration(seconds) * time.Second}
	}
	return p
}
