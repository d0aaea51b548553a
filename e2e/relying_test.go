package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/e2e/harness"
	"signet/relying"
)

// A counter counts the requests by path.
type counter struct{ complete, delta atomic.Int64 }

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case strings.HasSuffix(r.URL.Path, ".delta.crl"):
		c.delta.Add(1)
	case strings.HasSuffix(r.URL.Path, ".crl"):
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && resp.StatusCode == http.StatusOK {
			c.complete.Add(1)
		}
		return resp, err
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A Go server with package relying obeys a CA whose CRLs are partitioned and have
// deltas: revoked, held, released and held again, over one connection that lasts;
// and it goes on with its copies after a restart while the CA is down.
func TestGoServer(t *testing.T) {
	server := newCA(t, map[string]string{"#delta =": "delta = true", "#partitions =": "partitions = 2"})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	addUser(t, server, "alice")
	addUser(t, server, "bob")
	alice, bob := enrolled(t, server, "alice"), enrolled(t, server, "bob")
	chain, err := relying.ReadCertificates(write(t, t.TempDir(), "chain.pem", string(fetch(t, server.HTTP+"/ca/bundle.pem"))))
	if err != nil {
		t.Fatal(err)
	}
	asked := &counter{}
	config := relying.Config{
		Authorities: []relying.Authority{{URL: server.HTTP, Certificates: chain}}, Every: 5 * time.Second,
		Logger: slog.New(slog.DiscardHandler), Dir: filepath.Join(t.TempDir(), "crl"), HTTP: &http.Client{Transport: asked, Timeout: 20 * time.Second},
	}
	checker, stop := follow(t, config)
	web := goServer(t, checker)
	a, b := goVisitor(t, alice), goVisitor(t, bob)
	expect(t, web, a, "200 alice")
	expect(t, web, b, "200 bob")
	before := asked.complete.Load()

	signetd(t, server, "cert", "hold", harness.SerialOf(alice.Leaf))
	expect(t, web, a, "403 on-hold")
	signetd(t, server, "cert", "release", harness.SerialOf(alice.Leaf))
	expect(t, web, a, "200 alice")
	signetd(t, server, "cert", "hold", harness.SerialOf(alice.Leaf))
	expect(t, web, a, "403 on-hold")
	signetd(t, server, "cert", "revoke", "--reason", "keyCompromise", harness.SerialOf(bob.Leaf))
	expect(t, web, b, "403 revoked")
	if n := asked.complete.Load() - before; n != 0 || asked.delta.Load() == 0 {
		t.Errorf("%d complete CRLs were fetched for four changes that deltas tell, and deltas %d times", n, asked.delta.Load())
	}

	stop()
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	checker, stop = follow(t, config)
	defer stop()
	web = goServer(t, checker)
	expect(t, web, a, "403 on-hold")
	expect(t, web, b, "403 revoked")
	expect(t, web, goVisitor(t, nil), "401 required")
}

// follow runs a checker until it has CRLs.
func follow(t *testing.T, config relying.Config) (*relying.Checker, func()) {
	t.Helper()
	checker, err := relying.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); _ = checker.Run(ctx) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	wait, give := context.WithTimeout(t.Context(), 20*time.Second)
	defer give()
	if err := checker.Ready(wait); err != nil {
		t.Fatal(err)
	}
	return checker, stop
}

func goServer(t *testing.T, checker *relying.Checker) *httptest.Server {
	t.Helper()
	web := httptest.NewUnstartedServer(checker.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, relying.FromContext(r.Context()).Account)
	}), relying.HandlerConfig{}))
	web.TLS = checker.AskingTLSConfig(nil)
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	return web
}

func goVisitor(t *testing.T, cert *tls.Certificate) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	if cert != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// expect asks until the answer is the one wanted, which must be soon.
func expect(t *testing.T, web *httptest.Server, client *http.Client, want string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get(web.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got = strings.TrimSpace(resp.Status[:4] + string(body))
		if _, after, ok := strings.Cut(got, `"urn:signet:problem:certificate-`); ok {
			word, _, _ := strings.Cut(after, `"`)
			got = resp.Status[:4] + word
		}
		if got == want {
			return
		}
	}
	t.Fatalf("%q, want %q", got, want)
}
