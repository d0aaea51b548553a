package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/internal/audit"
	"signet/internal/command"
	"signet/internal/logbook"
	"signet/revocation"
	"signet/store/bolt"
)

// A host is a relying server's, with the CA whose certificates it accepts.
type host struct {
	*testing.T
	*catest.Hierarchy
	dir     string
	store   *bolt.Store
	service *revocation.Service
	server  *httptest.Server
	log     logbook.Book // of the agent
}

func newHost(t *testing.T) *host {
	t.Helper()
	r := &host{T: t, Hierarchy: catest.NewAt(t, time.Now().Add(-time.Hour)), dir: t.TempDir()}
	var err error
	r.store, err = bolt.Open(r.path("signet.db"), nil)
	r.must(err)
	t.Cleanup(func() { r.must(r.store.Close()) })
	root, err := revocation.RootCRL(r.RootIssuer, 1, time.Now(), 24*time.Hour, nil)
	r.must(err)
	r.write("root.crl", string(root))
	r.service, err = revocation.New(revocation.Config{
		Store: r.store, Issuer: r.Issuer, CRLDir: r.dir, RootCRL: r.path("root.crl"), Logger: slog.New(slog.DiscardHandler),
	})
	r.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.service.Run(ctx) }()
	r.must(r.service.Publisher.Refresh(ctx))
	r.server = httptest.NewServer(r.service.Handler(nil))
	t.Cleanup(func() {
		cancel()
		r.must(<-ended)
		r.server.Close()
	})
	var chain bytes.Buffer
	for _, der := range [][]byte{r.Root.Raw, r.Intermediate.Raw} {
		r.must(pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	r.write("chain.pem", chain.String())
	return r
}

func (r *host) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *host) path(name string) string { return filepath.Join(r.dir, name) }

func (r *host) write(name, text string) {
	r.Helper()
	r.must(os.WriteFile(r.path(name), []byte(text), 0o600))
}

func (r *host) read(name string) string {
	data, _ := os.ReadFile(r.path(name))
	return string(data)
}

// signet runs a command to its end and returns its exit code and all that it said.
func (r *host) signet(args ...string) (int, string) {
	r.Helper()
	var out bytes.Buffer
	app := newApp()
	app.Writer, app.ErrWriter = &out, &out
	code := command.Run(r.Context(), app, append([]string{"signet"}, args...))
	return code, out.String()
}

// sync runs the agent until stop is called, which returns its exit code.
func (r *host) sync(args ...string) (stop func() int) {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	app := newApp()
	app.Writer, app.ErrWriter = io.Discard, &r.log
	code := make(chan int, 1)
	go func() { code <- command.Run(ctx, app, append([]string{"signet", "crl", "sync"}, args...)) }()
	return func() int {
		cancel()
		return <-code
	}
}

// eventually waits for what must come to be within some seconds.
func (r *host) eventually(what string, is func() bool) {
	r.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("%s: not within 20 seconds\n%s", what, r.log.String())
		}
	}
}

// revoke revokes a new certificate.
func (r *host) revoke() ca.Serial {
	r.Helper()
	c := r.Issue(r, "alice", catest.Key(r), time.Now())
	r.must(r.store.RecordCertificate(r.Context(), *c, audit.Event{Action: "certificate.issue"}))
	_, err := r.service.Revoker.Revoke(r.Context(), c.Serial, ca.KeyCompromise, audit.Operator)
	r.must(err)
	return c.Serial
}

// inForce tells whether the file in place is the one that the CA publishes.
func (r *host) inForce(name string) bool {
	resp, err := http.Get(r.server.URL + "/crl/bundle.pem")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	published, err := io.ReadAll(resp.Body)
	var numbers [2]string
	for i, text := range []string{r.read(name), string(published)} {
		blocks := regexp.MustCompile(`(?s)-----BEGIN.*?END X509 CRL-----`).FindAllString(text, -1)
		if len(blocks) != 2 {
			return false
		}
		numbers[i] = blocks[1] + blocks[0]
		if blocks[0] > blocks[1] { // the order is the chain's, or the CA's
			numbers[i] = blocks[0] + blocks[1]
		}
	}
	return err == nil && numbers[0] == numbers[1]
}
