package enroll_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/problem"
)

func TestTrust(t *testing.T) {
	a := newAuthority(t)
	fingerprint := enroll.Fingerprint(a.ca.Root)
	var colons []string
	for i := 0; i < len(fingerprint); i += 2 {
		colons = append(colons, fingerprint[i:i+2])
	}
	for _, given := range []string{fingerprint, strings.ToLower(fingerprint), strings.Join(colons, ":"), " " + strings.Join(colons, " ")} {
		root, err := enroll.Trust(ctx, a.url, given)
		if err != nil || !root.Equal(a.ca.Root) {
			t.Errorf("%q: %v", given, err)
		}
	}
	other := catest.New(t)
	if _, err := enroll.Trust(ctx, a.url, enroll.Fingerprint(other.Root)); !errors.Is(err, enroll.ErrFingerprint) {
		t.Errorf("another root's fingerprint: %v", err)
	}
	for _, bad := range []string{"", "abcd", strings.Repeat("z", 64)} {
		if _, err := enroll.Trust(ctx, a.url, bad); err == nil {
			t.Errorf("%q was taken for a fingerprint", bad)
		}
	}
	if _, err := enroll.Trust(ctx, strings.Replace(a.url, "https", "http", 1), fingerprint); err == nil {
		t.Error("first contact without TLS")
	}
	if _, err := enroll.Trust(ctx, "https://localhost:1", fingerprint); !errors.Is(err, enroll.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

// A server that shows another CA's root, or a certificate that is no root, is
// not trusted for having its fingerprint.
func TestTrustImpostor(t *testing.T) {
	a := newAuthority(t)
	leaf := must(x509.ParseCertificate(a.ca.Issue(t, "alice", catest.Key(t), time.Now()).DER))
	shown := a.ca.Root
	impostor := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: shown.Raw})
	}))
	defer impostor.Close()
	if _, err := enroll.Trust(ctx, impostor.URL, enroll.Fingerprint(a.ca.Root)); !errors.Is(err, enroll.ErrUntrusted) {
		t.Errorf("a server with another CA's root: %v", err)
	}
	shown = leaf
	if _, err := enroll.Trust(ctx, impostor.URL, enroll.Fingerprint(leaf)); !errors.Is(err, enroll.ErrFingerprint) {
		t.Errorf("a leaf as root: %v", err)
	}
}

func TestClientUntrusted(t *testing.T) {
	a := newAuthority(t)
	c := a.withPassword("alice")
	c.Attempts = 4
	c.HTTP = enroll.NewHTTPClient(catest.New(t).Pool(), nil)
	start := time.Now()
	if _, err := c.Plan(ctx, "", 0); !errors.Is(err, enroll.ErrUntrusted) || errors.Is(err, enroll.ErrUnreachable) {
		t.Errorf("%v, want ErrUntrusted", err)
	}
	if time.Since(start) > 200*time.Millisecond {
		t.Error("a certificate that isn't trusted was tried again")
	}
}

// flaky answers with each status in turn; 0 breaks the connection.
func flaky(t *testing.T, statuses ...int) (*enroll.Client, *atomic.Int32) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := int(calls.Add(1)) - 1
		status := statuses[min(n, len(statuses)-1)]
		switch {
		case status == 0:
			panic(http.ErrAbortHandler)
		case status/100 == 2:
			_, _ = io.WriteString(w, `{"certificates":[]}`)
		default:
			problem.Write(w, &problem.Problem{Title: "no", Status: status, Rule: "some.rule"})
		}
	}))
	t.Cleanup(server.Close)
	return &enroll.Client{BaseURL: server.URL + "/", Backoff: time.Millisecond}, &calls
}

func TestClientTriesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		calls    int32
		want     func(error) bool
	}{
		"comes back":  {[]int{0, 503, 0, 200}, 4, func(err error) bool { return err == nil }},
		"stays away":  {[]int{0}, 4, func(err error) bool { return errors.Is(err, enroll.ErrUnreachable) }},
		"stays busy":  {[]int{503}, 4, isProblem(503)},
		"refuses":     {[]int{422}, 1, isProblem(422)},
		"throttles":   {[]int{429}, 1, isProblem(429)},
		"fails":       {[]int{500}, 1, isProblem(500)},
		"redirection": {[]int{302}, 1, isProblem(302)},
	} {
		client, calls := flaky(t, c.statuses...)
		client.HTTP = enroll.NewHTTPClient(nil, nil)
		_, err := client.Certificates(ctx)
		if !c.want(err) || calls.Load() != c.calls {
			t.Errorf("%s: %d calls, %v", name, calls.Load(), err)
		}
	}
	// What is not idempotent is made once.
	client, calls := flaky(t, 0)
	if _, err := client.RenewalCode(ctx); !errors.Is(err, enroll.ErrUnreachable) || calls.Load() != 1 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

func isProblem(status int) func(error) bool {
	return func(err error) bool {
		var p *problem.Problem
		return errors.As(err, &p) && p.Status == status
	}
}

func TestClientGivesUpWithItsContext(t *testing.T) {
	client, calls := flaky(t, 0)
	client.Backoff = time.Hour
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := client.Certificates(short); !errors.Is(err, enroll.ErrUnreachable) || calls.Load() != 1 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

// An answer that is no problem document, and not even HTTP.
func TestClientOnForeignServers(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if _, err := (&enroll.Client{BaseURL: server.URL}).Certificates(ctx); !isProblem(404)(err) {
		t.Errorf("a foreign 404: %v", err)
	}
	garbage := must(net.Listen("tcp", "127.0.0.1:0"))
	defer garbage.Close()
	go func() {
		for {
			c, err := garbage.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
			_ = c.Close()
		}
	}()
	client := &enroll.Client{BaseURL: "http://" + garbage.Addr().String(), Attempts: 1}
	if _, err := client.Certificates(ctx); !errors.Is(err, enroll.ErrUnreachable) {
		t.Errorf("a mail server: %v", err)
	}
}

// A brokenKey is a card that was pulled out.
type brokenKey struct {
	crypto.Signer
	err error
}

func (k brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, k.err }

// A card that doesn't sign must not look like a server that is out of reach.
func TestClientTellsOfTheCard(t *testing.T) {
	a := newAuthority(t)
	key := catest.Key(t)
	issued := a.enrolled(a.withPassword("alice"), "", wish{key: key})
	removed := errors.New("the card was pulled out")
	leaf := must(issued.X509())
	c := a.client(enroll.Credentials{}, &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: brokenKey{key, removed}})
	c.Attempts = 4
	if _, err := c.Certificates(ctx); !errors.Is(err, removed) || errors.Is(err, enroll.ErrUnreachable) {
		t.Errorf("%v, want the card's own error", err)
	}
}
