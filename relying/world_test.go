package relying

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/crl"
	"signet/revocation/ocsp"
)

// A world is a CA with its plain HTTP as a relying server sees it, and what goes
// wrong there. Its certificates name http://ca.example:8080, which client leads here.
type world struct {
	testing.TB
	*catest.Hierarchy
	server    *httptest.Server
	client    *http.Client
	responder ocsp.Signer

	mu       sync.Mutex // owns the fields below
	clock    time.Time
	files    map[string][]byte
	asked    map[string]int // by path, of those answered with 200
	revoked  []crl.Entry    // of the intermediate
	levels   []crl.Entry    // of the root
	number   uint64
	ocspDown bool
	ocspFor  time.Duration // until nextUpdate
	noNonce  bool          // the responder forgets it
	down     bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, Hierarchy: catest.New(t), clock: time.Now(), files: map[string][]byte{}, asked: map[string]int{}, number: 10, ocspFor: time.Hour}
	w.server = httptest.NewServer(w)
	t.Cleanup(w.server.Close)
	w.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.server.Listener.Addr().String())
	}}}
	t.Cleanup(w.client.CloseIdleConnections)
	key := catest.Key(t)
	cert, err := w.Issuer.IssueResponder(t.Context(), w.Serial(t), key.Public(), 24*time.Hour, time.Now())
	if err == nil {
		w.responder.Key = key
		w.responder.Certificate, err = cert.X509()
	}
	if err != nil {
		t.Fatal(err)
	}
	w.publish()
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		panic(http.ErrAbortHandler)
	}
	if r.URL.Path == "/ocsp" {
		w.serveOCSP(rw, r)
		return
	}
	body, ok := w.files[r.URL.Path]
	if !ok {
		http.NotFound(rw, r)
		return
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	rw.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") != tag {
		w.asked[r.URL.Path]++
	}
	http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(body))
}

// serveOCSP answers as the CA's responder does.
func (w *world) serveOCSP(rw http.ResponseWriter, r *http.Request) {
	der, _ := io.ReadAll(r.Body)
	request, err := ocsp.ParseRequest(der)
	if err != nil || w.ocspDown {
		http.Error(rw, "down", http.StatusServiceUnavailable)
		return
	}
	w.asked["/ocsp"]++
	t := ocsp.Template{ProducedAt: w.clock, Nonce: request.Nonce}
	if w.noNonce {
		t.Nonce = nil
	}
	for _, id := range request.CertIDs {
		single := ocsp.Single{ID: id, ThisUpdate: w.clock.Add(-time.Minute), NextUpdate: w.clock.Add(w.ocspFor)}
		for _, e := range w.revoked {
			if e.Serial.Big().Cmp(id.Serial) == 0 {
				single.Status, single.RevokedAt, single.Reason = ocsp.Revoked, e.At, e.Reason
			}
		}
		t.Singles = append(t.Singles, single)
	}
	answer, err := ocsp.Create(t, w.responder)
	if err != nil {
		w.Error(err)
	}
	rw.Header().Set("Content-Type", ocsp.ResponseType)
	_, _ = rw.Write(answer)
}

// set changes the world while nobody looks.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) { w.set(func() { w.clock = w.clock.Add(d) }) }

func (w *world) count(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[path]
}

// Paths of the CRLs.
func (w *world) issuerCRL() string   { return "/crl/" + w.Issuer.ID() + ".crl" }
func (w *world) issuerDelta() string { return "/crl/" + w.Issuer.ID() + ".delta.crl" }
func (w *world) rootCRL() string     { return "/crl/" + ca.IssuerID(w.Root) + ".crl" }

// publish makes the next CRLs of both levels.
func (w *world) publish() {
	w.set(func() {
		w.number++
		w.files[w.issuerCRL()] = w.list(w.Issuer, crl.Head{Number: w.number}, w.revoked)
		w.files[w.rootCRL()] = w.list(w.RootIssuer, crl.Head{Number: w.number}, w.levels)
	})
}

// list is a CRL in force from an hour ago for ten hours.
func (w *world) list(issuer *ca.Issuer, h crl.Head, entries []crl.Entry) []byte {
	w.Helper()
	if h.ThisUpdate.IsZero() {
		h.ThisUpdate = w.clock.Add(-time.Hour)
	}
	if h.NextUpdate.IsZero() {
		h.NextUpdate = h.ThisUpdate.Add(10 * time.Hour)
	}
	var encoded []byte
	for _, e := range entries {
		var err error
		if e.Reason == ca.RemoveFromCRL {
			encoded, err = crl.AppendRemoval(encoded, e.Serial, e.At)
		} else {
			encoded, err = crl.AppendEntry(encoded, e)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	var out crl.Memory
	if _, err := crl.Write(&out, issuer, h, crl.Encoded(encoded, len(entries))); err != nil {
		w.Fatal(err)
	}
	return out
}

// revoke marks a certificate as revoked; publish makes a CRL of it.
func (w *world) revoke(cert *x509.Certificate, reason ca.Reason) {
	serial, _ := ca.SerialOf(cert.SerialNumber)
	w.set(func() {
		e := crl.Entry{Serial: serial, At: w.clock.Truncate(time.Second), Reason: reason}
		if cert.IsCA {
			w.levels = append(w.levels, e)
		} else {
			w.revoked = append(w.revoked, e)
		}
	})
}

// config is that of a relying server.
func (w *world) config() Config {
	return Config{
		Authorities: []Authority{{Certificates: []*x509.Certificate{w.Root, w.Intermediate}, URL: catest.URL}},
		HTTP:        w.client, Now: w.now, Logger: slog.New(slog.DiscardHandler),
	}
}

func (w *world) checker(c Config) *Checker {
	w.Helper()
	checker, err := New(c)
	if err != nil {
		w.Fatal(err)
	}
	return checker
}

// fresh is a checker that has fetched.
func (w *world) fresh(c Config) *Checker {
	w.Helper()
	checker := w.checker(c)
	w.fetch(checker)
	return checker
}

func (w *world) fetch(c *Checker) {
	w.Helper()
	if err := w.tryFetch(c); err != nil {
		w.Fatal(err)
	}
}

func (w *world) tryFetch(c *Checker) (err error) {
	for _, a := range c.authorities {
		if e := c.fetch(w.Context(), a); e != nil {
			err = e
		}
	}
	return err
}

// alice is a certificate with its key.
func (w *world) alice() *tls.Certificate { return w.person("alice", time.Now()) }

func (w *world) person(name string, now time.Time) *tls.Certificate {
	w.Helper()
	key := catest.Key(w)
	return certificate(w, w.Issue(w, name, key, now), key)
}

// shortLived is a certificate for a minute.
func (w *world) shortLived(name string) *tls.Certificate {
	w.Helper()
	p := ca.DefaultProfile()
	p.Lifetime = "1m"
	profile, err := ca.NewProfile("short", p)
	if err != nil {
		w.Fatal(err)
	}
	key := catest.Key(w)
	cert, err := w.Issuer.Issue(w.Context(), profile, ca.Request{
		Person: ca.Person{Name: name}, CSR: catest.CSR(w, key, pkix.Name{}), Serial: w.Serial(w),
	}, w.URLs, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	return certificate(w, cert, key)
}

func certificate(t testing.TB, c *ca.Certificate, key crypto.Signer) *tls.Certificate {
	t.Helper()
	leaf, err := c.X509()
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// check wants a result of a certificate: "SUCCESS", "FAILED:revoked".
func (w *world) check(c *Checker, cert *tls.Certificate, want string) Identity {
	w.Helper()
	id, err := c.Check(w.Context(), []*x509.Certificate{cert.Leaf})
	if id.String() != want || (err == nil) != (want == "SUCCESS") {
		w.Errorf("%s (%s), %v; want %s", id, id.Detail, err, want)
	}
	return id
}
