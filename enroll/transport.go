package enroll

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// NewHTTPClient makes an HTTP client that trusts roots alone (nil: the
// system's) and shows cert where the server asks for one. cert may be nil; its
// key may be a card's, whose Sign may wait for a touch.
func NewHTTPClient(roots *x509.CertPool, cert *tls.Certificate) *http.Client {
	t := &cardTransport{}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if cert != nil {
		config.GetClientCertificate = t.present(*cert)
	}
	t.next = &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		DialContext:     (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig: config,
		// Long enough for a person to touch the card.
		TLSHandshakeTimeout:   60 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
	}
	return &http.Client{Transport: t, Timeout: 2 * time.Minute, CheckRedirect: noRedirect}
}

// noRedirect: credentials go where they were meant to, nowhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// A cardError is a TLS handshake that failed because the client's key did not sign.
type cardError struct{ err error }

func (e *cardError) Error() string { return "signing the TLS handshake: " + e.err.Error() }
func (e *cardError) Unwrap() error { return e.err }

// A cardTransport gives back the error of the client's key: crypto/tls keeps
// its text alone, and a wrong PIN must not look like a server out of reach.
type cardTransport struct {
	next *http.Transport

	mu  sync.Mutex // owns err
	err error
}

func (t *cardTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err == nil {
		return resp, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		err, t.err = &cardError{err: t.err}, nil
	}
	return nil, err
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *cardTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// present returns what shows cert to a server, whatever issuers it lists:
// whether the certificate does is for the server to say, with its reason.
func (t *cardTransport) present(cert tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if key, ok := cert.PrivateKey.(crypto.Signer); ok {
		cert.PrivateKey = &watchedSigner{Signer: key, failed: t.failed}
	}
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
}

func (t *cardTransport) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
}

// A watchedSigner tells of its failures.
type watchedSigner struct {
	crypto.Signer
	failed func(error)
}

func (s *watchedSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sig, err := s.Signer.Sign(rand, digest, opts)
	if err != nil {
		s.failed(err)
	}
	return sig, err
}

// classify sorts what http.Client.Do failed with.
func classify(err error) error {
	var card *cardError
	if errors.As(err, &card) {
		return card
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fmt.Errorf("%w: %w", ErrUntrusted, untrusted.Err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}
