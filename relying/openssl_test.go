package relying

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
)

// files writes a certificate with its key for other programs.
func files(t *testing.T, cert *tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "me.crt"), filepath.Join(dir, "me.key")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert.Leaf.Raw}, keyFile: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func run(t *testing.T, stdin string, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%v: scripts/need installs what the tests want", err)
	}
	return string(out)
}

// OpenSSL's client gets no further with the session of a revoked certificate,
// which it resumes, than with the certificate.
func TestOpenSSLResumes(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for _, strict := range []bool{true, false} {
			w := newWorld(t)
			c := w.fresh(w.config())
			config, handler := c.AskingTLSConfig(nil), c.Handler(http.HandlerFunc(greet), HandlerConfig{})
			if strict {
				config = c.TLSConfig(nil)
			}
			s := w.serve(c, config, handler)
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			alice := w.alice()
			cert, key := files(t, alice)
			session := filepath.Join(t.TempDir(), "session")
			args := []string{"s_client", "-connect", s.Listener.Addr().String(), version, "-cert", cert, "-key", key, "-ign_eof"}
			out := run(t, request, "openssl", append(args, "-sess_out", session)...)
			if !strings.Contains(out, "SUCCESS alice") {
				t.Fatalf("%s", out)
			}
			out = run(t, request, "openssl", append(args, "-sess_in", session)...)
			if !strings.Contains(out, "Reused, ") || !strings.Contains(out, "SUCCESS alice") {
				t.Fatalf("%s: the session is not resumed\n%s", version, out)
			}
			w.revoke(alice.Leaf, ca.KeyCompromise)
			w.publish()
			w.fetch(c)
			out = run(t, request, "openssl", append(args, "-sess_in", session)...)
			if strings.Contains(out, "SUCCESS") || strings.Contains(out, " 200 ") {
				t.Errorf("%s: a resumed session of a revoked certificate gets in\n%s", version, out)
			}
			if !strict && (!strings.Contains(out, "Reused, ") || !strings.Contains(out, "403 Forbidden")) {
				t.Errorf("%s: not resumed, or not explained\n%s", version, out)
			}
			if strict && !strings.Contains(out, "alert") {
				t.Errorf("%s: no alert\n%s", version, out)
			}
		}
	}
}

// openssl s_client -reconnect: five resumed sessions in a row, TLS 1.2.
func TestOpenSSLReconnects(t *testing.T) {
	w := newWorld(t)
	c := w.fresh(w.config())
	s := w.serve(c, c.TLSConfig(nil), http.HandlerFunc(greet))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	alice := w.alice()
	cert, key := files(t, alice)
	args := []string{"s_client", "-connect", s.Listener.Addr().String(), "-tls1_2", "-cert", cert, "-key", key, "-reconnect"}
	if out := run(t, "", "openssl", args...); strings.Count(out, "Reused, ") != 5 {
		t.Errorf("%s", out)
	}
	w.revoke(alice.Leaf, ca.KeyCompromise)
	w.publish()
	w.fetch(c)
	if out := run(t, "", "openssl", args...); !strings.Contains(out, "alert bad certificate") || strings.Contains(out, "Reused, ") {
		t.Errorf("%s", out)
	}
}

func TestCurl(t *testing.T) {
	w := newWorld(t)
	s := w.asking401(HandlerConfig{Page: Page{Service: "the wiki"}})
	alice := w.alice()
	cert, key := files(t, alice)
	args := []string{"-sk", "--http2", "-H", "Accept: text/html", "-w", " %{http_code} %{http_version}", "--cert", cert, "--key", key, s.URL}
	if out := run(t, "", "curl", args...); out != "SUCCESS alice 200 2" {
		t.Errorf("%q", out)
	}
	w.revoke(alice.Leaf, ca.AffiliationChanged)
	w.publish()
	w.fetch(s.checker)
	if out := run(t, "", "curl", args...); !strings.HasSuffix(out, " 403 2") || !strings.Contains(out, "place in the organisation") {
		t.Errorf("%q", out)
	}
	if out := run(t, "", "curl", "-sk", "-w", " %{http_code}", s.URL); !strings.HasSuffix(out, " 401") || !strings.Contains(out, "certificate-required") {
		t.Errorf("%q", out)
	}
}
