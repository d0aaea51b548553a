package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/e2e/harness"
)

// A world is the CA, the people it knows, and another CA of the same name. All
// tests live in one.
type world struct {
	ca, other *harness.CA
	// expired ran out yesterday; stranger is of the other CA.
	expired, stranger *tls.Certificate
	otherChain        []byte
	chain             []byte      // the CA's certificates, PEM
	levels            []pkix.Name // whose they are, the root first
}

// theWorld is made by the first test that asks, and ends with the last.
var theWorld = sync.OnceValues(makeWorld)

// user is whose certificates they all are.
const user = "alice"

func newWorld(t *testing.T) *world {
	t.Helper()
	w, err := theWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func makeWorld() (*world, error) {
	ctx := context.Background()
	w := &world{}
	var err error
	if w.ca, err = startCA(ctx); err != nil {
		return nil, err
	}
	if w.other, err = startCA(ctx); err != nil {
		return nil, err
	}
	if w.chain, err = get(ctx, w.ca.HTTP+"/ca/bundle.pem"); err != nil {
		return nil, err
	}
	if w.levels, err = subjects(w.chain); err != nil {
		return nil, err
	}
	if w.stranger, err = w.other.Enroll(ctx, user); err != nil {
		return nil, err
	}
	if w.otherChain, err = get(ctx, w.other.HTTP+"/ca/bundle.pem"); err != nil {
		return nil, err
	}
	once, err := w.ca.Enroll(ctx, user)
	if err != nil {
		return nil, err
	}
	w.expired, err = w.ca.Aged(ctx, once, time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
	return w, err
}

// startCA runs a CA that knows the user, until the tests end.
func startCA(ctx context.Context) (*harness.CA, error) {
	dir, err := os.MkdirTemp(bin, "ca-")
	if err != nil {
		return nil, err
	}
	server, err := harness.New(ctx, bin, dir, nil)
	if err != nil {
		return nil, err
	}
	atEnd = append(atEnd, func() { _ = server.Stop() })
	if err := server.Start(ctx); err != nil {
		return nil, err
	}
	return server, server.AddUser(ctx, user)
}

// enroll gets the user a certificate of their own for one test.
func (w *world) enroll(t *testing.T) *tls.Certificate {
	t.Helper()
	cert, err := w.ca.Enroll(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (w *world) revoke(t *testing.T, cert *tls.Certificate) {
	t.Helper()
	if err := w.ca.Revoke(t.Context(), cert, ca.KeyCompromise); err != nil {
		t.Fatal(err)
	}
}

// selfMade is a certificate in the user's name that is its own issuer.
func selfMade(t *testing.T, extensions []string) *tls.Certificate {
	t.Helper()
	dir := t.TempDir()
	output(t, dir, "openssl", append([]string{"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/UID=" + user + "/CN=" + user, "-keyout", "key.pem", "-out", "cert.pem"}, extensions...)...)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return &cert
}

// get fetches over plain HTTP.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// subjects are those of the certificates in PEM.
func subjects(text []byte) (all []pkix.Name, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, cert.Subject)
	}
	return all, nil
}
