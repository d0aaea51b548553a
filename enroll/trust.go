package enroll

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// ErrFingerprint is a server that showed no root of the fingerprint given.
var ErrFingerprint = errors.New("the CA has no root with this fingerprint")

// maxRoots is the longest roots.pem read, in bytes.
const maxRoots = 256 << 10

// Trust makes first contact with the CA at baseURL ("https://ca.example:8443"),
// of which nothing is known but the SHA-256 of its root, in hex, as the
// administrator gave it: colons, spaces and case don't matter.
//
// It reads /roots.pem without trusting the connection, takes the one root that
// has the fingerprint, and asks again with that root alone trusted, so that a
// server that only repeats another CA's root is found out. It fails with
// [ErrFingerprint], [ErrUntrusted] or [ErrUnreachable].
func Trust(ctx context.Context, baseURL, fingerprint string) (*x509.Certificate, error) {
	want, err := ParseFingerprint(fingerprint)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(baseURL, "https://") {
		return nil, fmt.Errorf("%q: the CA's URL begins with https://", baseURL)
	}
	data, err := fetchRoots(ctx, unverified(), baseURL)
	if err != nil {
		return nil, err
	}
	root, err := rootWith(data, want)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	verified := NewHTTPClient(pool, nil)
	defer verified.CloseIdleConnections()
	if _, err := fetchRoots(ctx, verified, baseURL); err != nil {
		return nil, err
	}
	return root, nil
}

// Fingerprint is the SHA-256 of a certificate's DER in upper-case hex, as openssl
// prints it but for the colons.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// ParseFingerprint reads 64 hex digits, with or without colons and spaces.
func ParseFingerprint(s string) (out [32]byte, err error) {
	digits := strings.NewReplacer(":", "", " ", "", "\t", "").Replace(strings.TrimSpace(s))
	if len(digits) == 64 {
		if _, err = hex.Decode(out[:], []byte(digits)); err == nil {
			return out, nil
		}
	}
	return out, errors.New("a root's fingerprint is the 64 hex digits of its SHA-256")
}

// unverified is an HTTP client that takes any server; what it reads proves
// nothing until the fingerprint does.
func unverified() *http.Client {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	return &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DisableKeepAlives: true},
		CheckRedirect: noRedirect,
	}
}

func fetchRoots(ctx context.Context, client *http.Client, baseURL string) ([]byte, error) {
	url := strings.TrimSuffix(baseURL, "/") + "/roots.pem"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, classify(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: is that the CA's URL?", url, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxRoots))
	if err != nil {
		return nil, classify(err)
	}
	return data, nil
}

// rootWith finds the certificate whose SHA-256 is want, and sees to it that it
// is a root: what is trusted from now on must not be some leaf.
func rootWith(data []byte, want [32]byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		sum := sha256.Sum256(block.Bytes)
		if subtle.ConstantTimeCompare(sum[:], want[:]) == 0 {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading the CA's root: %w", err)
		}
		if !cert.IsCA || cert.CheckSignatureFrom(cert) != nil {
			return nil, fmt.Errorf("%w: the certificate with it is no root", ErrFingerprint)
		}
		return cert, nil
	}
	return nil, ErrFingerprint
}
