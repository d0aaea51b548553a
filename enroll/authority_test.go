package enroll_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/logbook"
	"signet/internal/problem"
	"signet/piv"
	"signet/piv/softcard"
	"signet/store/bolt"
)

// An authority is a whole CA behind TLS, on a store in a file, for one test.
type authority struct {
	t      testing.TB
	store  *bolt.Store
	ca     *catest.Hierarchy
	enroll *enroll.Enroller
	url    string
	log    *safeBuffer
	offset atomic.Int64 // of the clock, from the real one
}

func (a *authority) now() time.Time           { return time.Now().Add(time.Duration(a.offset.Load())) }
func (a *authority) advance(by time.Duration) { a.offset.Add(int64(by)) }
func (a *authority) pool() *x509.CertPool     { return a.ca.Pool() }
func (a *authority) add(n enroll.NewAccount) {
	a.t.Helper()
	must(a.enroll.Accounts().Add(ctx, n, "@operator"))
}
func (a *authority) code(account string) string {
	a.t.Helper()
	return a.codeFor(account, "", time.Hour)
}

var ctx = context.Background()

const password = "correct horse"

// cheap is the cost of a password in tests that are not about it.
var cheap = enroll.PasswordParams{Memory: 8, Time: 1}

// cards is a root of software cards with two cards, made once: RSA takes its time.
var cards = sync.OnceValue(func() (c struct {
	root   *softcard.Root
	device *softcard.Device
	other  *softcard.Device // bob's
}) {
	var err error
	if c.root, err = softcard.NewRoot(); err != nil {
		panic(err)
	}
	if c.device, err = c.root.NewDevice(4711, softcard.Version{5, 4, 3}); err != nil {
		panic(err)
	}
	if c.other, err = c.root.NewDevice(4712, softcard.Version{5, 4, 3}); err != nil {
		panic(err)
	}
	return c
})

// newAuthority makes a CA with the profile "user" (attestation required), "soft"
// (none) and "either" (optional), and the accounts alice and bob. adjust may
// change the configuration.
func newAuthority(t testing.TB, adjust ...func(*enroll.Config)) *authority {
	t.Helper()
	a := &authority{t: t, ca: catest.New(t), log: &safeBuffer{}}
	a.store = must(bolt.Open(filepath.Join(t.TempDir(), "signet.db"), nil))
	t.Cleanup(func() { _ = a.store.Close() })
	c := enroll.Config{
		Store: a.store, Issuer: a.ca.Issuer, URLs: a.ca.URLs, Passwords: cheap, Now: a.now,
		Profiles: map[string]*enroll.Profile{
			"user":   profile(t, "user", enroll.PlanConfig{}),
			"soft":   profile(t, "soft", enroll.PlanConfig{Attestation: "none"}),
			"either": profile(t, "either", enroll.PlanConfig{Attestation: "optional"}),
		},
		Roots:  piv.NewRoots(cards().root.Certificate()),
		Logger: slog.New(slog.NewJSONHandler(a.log, nil)),
	}
	for _, f := range adjust {
		f(&c)
	}
	a.enroll = must(enroll.New(c))
	a.serve()
	profiles := enroll.ProfileNames(c.Profiles)
	a.add(enroll.NewAccount{Name: "alice", FullName: "Alice Example", Email: "alice@example.com", Password: password, Profiles: profiles})
	a.add(enroll.NewAccount{Name: "bob", FullName: "Bob Example", Email: "bob@example.com", Password: password, Profiles: profiles})
	return a
}

func profile(t testing.TB, name string, plan enroll.PlanConfig, with ...string) *enroll.Profile {
	t.Helper()
	return profileOf(t, name, ca.DefaultProfile(), plan, with...)
}

func profileOf(t testing.TB, name string, c ca.ProfileConfig, plan enroll.PlanConfig, with ...string) *enroll.Profile {
	t.Helper()
	return must(enroll.NewProfile(must(ca.NewProfile(name, c)), plan, with...))
}

// serve stands in for package web: TLS, request ids, the roots.
func (a *authority) serve() {
	a.t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", a.enroll.Handler())
	mux.HandleFunc("/roots.pem", func(w http.ResponseWriter, _ *http.Request) {
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: a.ca.Root.Raw})
	})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Request-Id", "request-1")
		w.Header().Set("X-Request-Id", "request-1")
		mux.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{a.serverCertificate()}}
	server.StartTLS()
	a.t.Cleanup(server.Close)
	a.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

func (a *authority) serverCertificate() tls.Certificate {
	a.t.Helper()
	key := catest.Key(a.t)
	cert := must(a.ca.Issuer.IssueServer(ctx, a.ca.Serial(a.t), key.Public(), []string{"localhost"}, a.ca.URLs, time.Hour, time.Now()))
	return tls.Certificate{Certificate: [][]byte{cert.DER, a.ca.Intermediate.Raw}, PrivateKey: key}
}

// codeFor makes an enrollment code.
func (a *authority) codeFor(account, profile string, ttl time.Duration) string {
	a.t.Helper()
	code, _, err := a.enroll.Codes().New(ctx, account, profile, ttl, "@operator")
	if err != nil {
		a.t.Fatal(err)
	}
	return code
}

// client is one that tries once, with credentials or a certificate.
func (a *authority) client(c enroll.Credentials, cert *tls.Certificate) *enroll.Client {
	h := enroll.NewHTTPClient(a.pool(), cert)
	a.t.Cleanup(h.CloseIdleConnections)
	return &enroll.Client{BaseURL: a.url, HTTP: h, Credentials: c, Attempts: 1}
}

func (a *authority) withPassword(account string) *enroll.Client {
	return a.client(enroll.Credentials{Account: account, Password: password}, nil)
}

func (a *authority) withCode(code string) *enroll.Client {
	return a.client(enroll.Credentials{Code: code}, nil)
}

func (a *authority) withCertificate(issued *enroll.Issued, key crypto.Signer) *enroll.Client {
	a.t.Helper()
	leaf := must(issued.X509())
	return a.client(enroll.Credentials{}, &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key})
}

// A wish is a CSR to be made. Its zero value is all right for the profile "user".
type wish struct {
	key     crypto.Signer // to sign with
	nonce   []byte        // nil: none
	bare    bool          // without attestation
	device  *softcard.Device
	slot    byte
	pin     softcard.PINPolicy
	touch   softcard.TouchPolicy
	foreign crypto.Signer // the attested key, where it is another
	request x509.CertificateRequest
}

func (w wish) csr(t testing.TB) []byte {
	t.Helper()
	if w.device == nil {
		w.device = cards().device
	}
	if w.slot == 0 {
		w.slot = 0x9a
	}
	if w.pin == 0 {
		w.pin = softcard.PINOnce
	}
	if w.touch == 0 {
		w.touch = softcard.TouchNever
	}
	attested := w.key
	if w.foreign != nil {
		attested = w.foreign
	}
	template := w.request
	if w.nonce != nil {
		piv.AddNonce(&template, w.nonce)
	}
	if !w.bare {
		slot := must(w.device.Attest(w.slot, attested.Public(), w.pin, w.touch))
		piv.AddAttestation(&template, &piv.Attestation{Slot: slot.Raw, Card: w.device.Certificate().Raw})
	}
	return must(x509.CreateCertificateRequest(rand.Reader, &template, w.key))
}

// enrolled enrolls the key with the client: the whole flow.
func (a *authority) enrolled(c *enroll.Client, profile string, w wish) *enroll.Issued {
	a.t.Helper()
	w.nonce = must(c.Plan(ctx, profile, 0)).Nonce
	return must(c.Submit(ctx, enroll.Request{Profile: profile, CSR: w.csr(a.t)}))
}

// must returns a value, or ends the test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// refused fails the test unless err is the refusal by that rule.
func refused(t testing.TB, err error, status int, rule string) *problem.Problem {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a refusal by %s", err, rule)
	}
	if p.Status != status || p.Rule != rule {
		t.Fatalf("got %d %s %q, want %d %s", p.Status, p.Rule, p.Detail, status, rule)
	}
	if rule != "" && (p.Detail == "" || p.Hint == "" || p.Instance != "request-1") {
		t.Errorf("%s: a refusal says why, what to do, and the request's id: %+v", rule, p)
	}
	return p
}

// A safeBuffer collects the log.
type safeBuffer struct{ logbook.Book }

// auditLines are the audit lines with that serial, by stage.
func (s *safeBuffer) auditLines(t testing.TB, object string) (stages []string) {
	t.Helper()
	for line := range strings.Lines(s.String()) {
		var entry struct {
			Audit struct{ Stage, Object string }
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Audit.Object == object {
			stages = append(stages, entry.Audit.Stage)
		}
	}
	return stages
}
