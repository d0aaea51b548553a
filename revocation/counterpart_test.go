package revocation_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/ca"
)

// asPEM is one certificate as PEM.
func asPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// files puts on disk what other programs want: the chain, the issuer, the
// certificates of alice (revoked) and bob.
func (w *world) files(alice, bob *ca.Certificate) {
	w.Helper()
	w.file("root.pem", asPEM(w.Root.Raw))
	w.file("issuer.pem", asPEM(w.Intermediate.Raw))
	w.file("chain.pem", append(asPEM(w.Root.Raw), asPEM(w.Intermediate.Raw)...))
	w.file("alice.pem", asPEM(alice.DER))
	w.file("bob.pem", asPEM(bob.DER))
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func TestOpenSSLAcceptsOCSP(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	alice, bob := w.issue("alice"), w.issue("bob")
	w.revoke(alice, ca.KeyCompromise)
	w.files(alice, bob)
	base := w.serve()
	never := "0x" + w.Serial(t).String()
	ask := []string{"ocsp", "-issuer", w.path("issuer.pem"), "-CAfile", w.path("root.pem"),
		"-verify_other", w.path("issuer.pem"), "-url", base + "/ocsp"}
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"one":           {[]string{"-cert", w.path("alice.pem")}, []string{"alice.pem: revoked", "Reason: keyCompromise"}},
		"two":           {[]string{"-cert", w.path("alice.pem"), "-cert", w.path("bob.pem")}, []string{"alice.pem: revoked", "bob.pem: good"}},
		"one, SHA-256":  {[]string{"-sha256", "-cert", w.path("bob.pem")}, []string{"bob.pem: good"}},
		"both digests":  {[]string{"-sha256", "-cert", w.path("bob.pem"), "-sha1", "-cert", w.path("alice.pem")}, []string{"alice.pem: revoked", "bob.pem: good"}},
		"without nonce": {[]string{"-no_nonce", "-cert", w.path("alice.pem"), "-cert", w.path("bob.pem")}, []string{"alice.pem: revoked", "bob.pem: good"}},
		"never issued":  {[]string{"-serial", never}, []string{never + ": unknown"}},
		"never issued, without nonce": {[]string{"-no_nonce", "-serial", never, "-cert", w.path("bob.pem")},
			[]string{never + ": unknown", "bob.pem: good"}},
	} {
		out, err := w.program("openssl", "openssl", append(ask, c.args...)...)
		if err != nil || !strings.Contains(out, "Response verify OK") || strings.Contains(out, "WARNING") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", name, want, out)
			}
		}
	}
}

func TestOpenSSLRefusesOtherIssuers(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.files(w.issue("alice"), w.issue("bob"))
	out, _ := w.program("openssl", "openssl", "ocsp", "-issuer", w.path("root.pem"), "-CAfile", w.path("root.pem"),
		"-cert", w.path("issuer.pem"), "-url", w.serve()+"/ocsp")
	if !strings.Contains(out, "unauthorized") {
		t.Errorf("about the intermediate, whose issuer is offline:\n%s", out)
	}
}

// TestOpenSSLAcceptsAnswersByGET asks by GET what OpenSSL would ask by POST, and
// has OpenSSL judge the answer.
func TestOpenSSLAcceptsAnswersByGET(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	alice, bob := w.issue("alice"), w.issue("bob")
	w.revoke(alice, ca.Superseded)
	w.files(alice, bob)
	base := w.serve()
	args := []string{"ocsp", "-issuer", w.path("issuer.pem"), "-cert", w.path("alice.pem"), "-cert", w.path("bob.pem")}
	for _, nonce := range []string{"-nonce", "-no_nonce"} {
		out, err := w.program("openssl", "openssl", append(args, nonce, "-reqout", w.path("request.der"))...)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		request, err := os.ReadFile(w.path("request.der"))
		must(t, err)
		text := base64.StdEncoding.EncodeToString(request)
		for _, path := range []string{
			"/ocsp/" + text, "/ocsp/" + url.PathEscape(text), "/ocsp/" + url.QueryEscape(text), "/ocsp//" + text,
			"/ocsp/" + strings.TrimRight(text, "="), "/ocsp/" + base64.RawURLEncoding.EncodeToString(request),
		} {
			w.file("response.der", fetch(t, base+path))
			judge := []string{"ocsp", "-respin", w.path("response.der"), "-CAfile", w.path("root.pem"), "-verify_other", w.path("issuer.pem")}
			out, err := w.program("openssl", "openssl", append(judge, "-reqin", w.path("request.der"))...)
			if err != nil || !strings.Contains(out, "Response verify OK") || strings.Contains(out, "WARNING") {
				t.Errorf("%s, %s: %v\n%s", nonce, path, err, out)
			}
			out, err = w.program("openssl", "openssl", append(append(judge, "-no_nonce"), args[1:]...)...)
			if err != nil || !strings.Contains(out, "alice.pem: revoked") || !strings.Contains(out, "bob.pem: good") {
				t.Errorf("%s, %s: %v\n%s", nonce, path, err, out)
			}
		}
	}
}

// fetch gets a URL as it is: no client that would tidy it up.
func fetch(t *testing.T, address string) []byte {
	t.Helper()
	resp, err := http.Get(address)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK || resp.Request.URL.String() != address {
		t.Fatalf("%s: %s by %s", address, resp.Status, resp.Request.URL)
	}
	return body
}

func TestGnuTLSAcceptsOCSP(t *testing.T) {
	for _, algorithm := range algorithms {
		w := newWorldOf(t, hierarchy(t, algorithm, algorithm), nil)
		w.run()
		alice, bob := w.issue("alice"), w.issue("bob")
		w.revoke(alice, ca.CessationOfOperation)
		w.files(alice, bob)
		base := w.serve() + "/ocsp"
		for _, nonce := range []string{"--nonce", "--no-nonce"} {
			for name, want := range map[string]string{"alice.pem": "revoked", "bob.pem": "good"} {
				out, err := w.program("gnutls-bin", "ocsptool", "--ask="+base, nonce,
					"--load-cert", w.path(name), "--load-issuer", w.path("issuer.pem"), "--load-trust", w.path("issuer.pem"))
				// The exit code is not 0 for a revoked certificate.
				if !strings.Contains(out, "Verifying OCSP Response: Success") || !strings.Contains(out, "Certificate Status: "+want) {
					t.Errorf("%s, %s, %s: %v\n%s", algorithm, nonce, name, err, out)
				}
			}
		}
	}
}

// TestNonceIsRepeated: Apache refuses an answer without the very nonce it sent.
func TestNonceIsRepeated(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.files(w.issue("alice"), w.issue("bob"))
	out, err := w.program("openssl", "openssl", "ocsp", "-issuer", w.path("issuer.pem"), "-CAfile", w.path("root.pem"),
		"-cert", w.path("bob.pem"), "-url", w.serve()+"/ocsp", "-text")
	must(t, err)
	if n := strings.Count(out, "OCSP Nonce:"); n != 2 {
		t.Fatalf("%d nonces in request and answer\n%s", n, out)
	}
	var nonces []string
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		if strings.Contains(line, "OCSP Nonce:") {
			nonces = append(nonces, strings.TrimSpace(lines[i+1]))
		}
	}
	if nonces[0] != nonces[1] {
		t.Errorf("asked with %s, answered with %s", nonces[0], nonces[1])
	}
}

func TestReleasedIsGoodAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	alice := w.issue("alice")
	ctx := context.Background()
	_, err := w.service.Revoker.Hold(ctx, alice.Serial, "boss")
	must(t, err)
	w.files(alice, w.issue("bob"))
	base := w.serve()
	ask := func() string {
		out, err := w.program("openssl", "openssl", "ocsp", "-no_nonce", "-issuer", w.path("issuer.pem"), "-CAfile", w.path("root.pem"),
			"-cert", w.path("alice.pem"), "-url", base+"/ocsp")
		must(t, err)
		return out
	}
	if out := ask(); !strings.Contains(out, "revoked") || !strings.Contains(out, "certificateHold") {
		t.Errorf("on hold:\n%s", out)
	}
	_, err = w.service.Revoker.Release(ctx, alice.Serial, "boss")
	must(t, err)
	w.refresh()
	if out := ask(); !strings.Contains(out, "alice.pem: good") {
		t.Errorf("released:\n%s", out)
	}
	if n := len(w.onCRL()); n != 0 {
		t.Errorf("%d entries on the CRL after the release", n)
	}
	if !bytes.Contains(w.get("/crl/bundle.pem").Body.Bytes(), []byte("BEGIN X509 CRL")) {
		t.Error("no bundle")
	}
}
