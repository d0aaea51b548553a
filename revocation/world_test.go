package revocation_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/internal/audit"
	"signet/revocation"
	"signet/revocation/crl"
	"signet/store/bolt"
)

// A world is a CA with a store on disk, its revocation service and its HTTP.
type world struct {
	testing.TB
	*catest.Hierarchy
	dir     string
	store   *faultyStore
	conf    revocation.Config
	service *revocation.Service
	handler http.Handler
	url     string // of the server that certificates point to; "" for none
}

// faultyStore is a store that fails when told to.
type faultyStore struct {
	*bolt.Store
	broken atomic.Bool
	crls   atomic.Int32  // CRLs begun
	gate   chan struct{} // where a CRL waits before it is begun; nil for no gate
	begun  func()        // what happens before the next CRL reads its entries; nil for nothing
	read   func()        // what happens after that; nil for nothing
}

var errBroken = errors.New("the disk is full")

func (s *faultyStore) NextCRLNumber(ctx context.Context, issuer string, above uint64) (number, last uint64, err error) {
	if s.broken.Load() {
		return 0, 0, errBroken
	}
	return s.Store.NextCRLNumber(ctx, issuer, above)
}

func (s *faultyStore) RevokedEntries(ctx context.Context, scope revocation.Scope, begin func(revocation.Snapshot) error, yield func([]byte) error) error {
	s.crls.Add(1)
	if s.gate != nil {
		<-s.gate
	}
	if begun := s.begun; begun != nil {
		s.begun = nil
		begun()
	}
	err := s.Store.RevokedEntries(ctx, scope, begin, yield)
	if read := s.read; read != nil {
		s.read = nil
		read()
	}
	return err
}

func (s *faultyStore) Certificate(ctx context.Context, issuer string, serial ca.Serial) (ca.Certificate, error) {
	if s.broken.Load() {
		return ca.Certificate{}, errBroken
	}
	return s.Store.Certificate(ctx, issuer, serial)
}

// newWorld makes one whose root has signed a CRL, after change.
func newWorld(t testing.TB, change func(*revocation.Config)) *world {
	t.Helper()
	return newWorldOf(t, catest.NewAt(t, time.Now().Add(-time.Hour)), change)
}

func newWorldOf(t testing.TB, h *catest.Hierarchy, change func(*revocation.Config)) *world {
	t.Helper()
	dir := t.TempDir()
	store, err := bolt.Open(filepath.Join(dir, "signet.db"), nil)
	must(t, err)
	w := &world{TB: t, Hierarchy: h, dir: dir, store: &faultyStore{Store: store}}
	t.Cleanup(func() { must(t, w.store.Close()) })
	w.conf = revocation.Config{
		Store: w.store, Issuer: h.Issuer, CRLDir: dir, RootCRL: filepath.Join(dir, "root.crl"),
		IssueResponder: w.issueResponder, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&w.conf)
	}
	w.signRootCRL(1, 365*24*time.Hour)
	w.restart()
	return w
}

// restart makes the service anew from what is on disk.
func (w *world) restart() {
	w.Helper()
	var err error
	w.service, err = revocation.New(w.conf)
	must(w, err)
	w.handler = w.service.Handler(nil)
}

// run runs the service until the test ends, from when there are a CRL and an
// OCSP signer.
func (w *world) run() {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.service.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		must(w, <-ended)
	})
	must(w, w.service.Publisher.Refresh(ctx))
	for range 1000 {
		if w.service.Responder.Check() == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.Fatal("there is no OCSP signer")
}

func (w *world) now() time.Time {
	if w.conf.Now != nil {
		return w.conf.Now()
	}
	return time.Now()
}

func (w *world) signRootCRL(number uint64, lifetime time.Duration) {
	w.Helper()
	der, err := revocation.RootCRL(w.RootIssuer, number, w.now(), lifetime, nil)
	must(w, err)
	must(w, os.WriteFile(w.conf.RootCRL, der, 0o600))
}

func (w *world) issueResponder(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := w.Serials.Next(ctx)
	if err != nil {
		return nil, err
	}
	issued, err := w.Issuer.IssueResponder(ctx, serial, pub, 24*time.Hour, w.now())
	if err != nil {
		return nil, err
	}
	return issued.X509()
}

// issue issues and records a certificate of that account.
func (w *world) issue(account string) *ca.Certificate {
	w.Helper()
	c := w.Issue(w, account, catest.Key(w), w.now())
	must(w, w.store.RecordCertificate(context.Background(), *c, audit.Event{Action: "certificate.issue"}))
	return c
}

// revoke revokes c, or holds it.
func (w *world) revoke(c *ca.Certificate, reason ca.Reason) {
	w.Helper()
	var err error
	if reason == ca.CertificateHold {
		_, err = w.service.Revoker.Hold(context.Background(), c.Serial, audit.Operator)
	} else {
		_, err = w.service.Revoker.Revoke(context.Background(), c.Serial, reason, audit.Operator)
	}
	must(w, err)
}

func (w *world) refresh() {
	w.Helper()
	must(w, w.service.Publisher.Refresh(context.Background()))
}

// der is what is in the list's file.
func (w *world) der(l *revocation.List) []byte {
	w.Helper()
	open, err := l.Open()
	must(w, err)
	defer func() { must(w, open.Close()) }()
	der, err := io.ReadAll(open)
	must(w, err)
	return der
}

// list is the CRL in force of that scope, parsed.
func (w *world) list(s revocation.Scope, delta bool) *crl.List {
	w.Helper()
	for {
		l := w.service.Publisher.CurrentOf(s, delta)
		if l == nil {
			w.Fatalf("there is no CRL of %+v", s)
		}
		open, err := l.Open()
		if errors.Is(err, os.ErrClosed) {
			continue // another has just taken its place
		}
		must(w, err)
		der, err := io.ReadAll(open)
		must(w, errors.Join(err, open.Close()))
		parsed, err := crl.Parse(der)
		must(w, err)
		return parsed
	}
}

// onCRL is what the issuer's CRL says of each serial, in hex.
func (w *world) onCRL() map[string]ca.Reason {
	w.Helper()
	parsed := w.list(revocation.Scope{Issuer: w.Issuer.ID()}, false)
	out := map[string]ca.Reason{}
	for e := range parsed.All() {
		out[hex.EncodeToString(e.Serial)] = e.Reason
	}
	return out
}

// serve serves the handler until the test ends and returns its URL.
func (w *world) serve() string {
	w.Helper()
	s := httptest.NewServer(w.handler)
	w.Cleanup(s.Close)
	return s.URL
}

func (w *world) get(path string, header ...string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.Path = path
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// file writes data to a file of that name and returns its path.
func (w *world) file(name string, data []byte) string {
	w.Helper()
	path := filepath.Join(w.dir, name)
	must(w, os.WriteFile(path, data, 0o600))
	return path
}

// program runs another's program and returns all that it said. It fails the
// test where the program is missing: what it would have judged is unknown then.
func (w *world) program(debian, name string, args ...string) (string, error) {
	w.Helper()
	if _, err := exec.LookPath(name); err != nil {
		w.Fatalf("%v: apt-get install %s", err, debian)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
