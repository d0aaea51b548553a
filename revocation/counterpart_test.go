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
	"time"

	"signet/ca"
	"signet/ca/catest"
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

// hierarchy is one whose keys are of these algorithms.
func hierarchy(t *testing.T, root, intermediate string) *catest.Hierarchy {
	t.Helper()
	return hierarchyAt(t, root, intermediate, catest.URL)
}

// hierarchyAt is one whose certificates point to what is below base.
func hierarchyAt(t *testing.T, root, intermediate, base string) *catest.Hierarchy {
	t.Helper()
	h := catest.NewAt(t, time.Now().Add(-time.Hour))
	var err error
	h.Hierarchy, err = ca.NewHierarchy(ca.SetupConfig{
		Name: "Test", RootAlgorithm: root, IntermediateAlgorithm: intermediate, URL: base,
		RootSerial: h.Serial(t), IntermediateSerial: h.Serial(t), Now: time.Now().Add(-time.Hour),
	})
	must(t, err)
	h.RootIssuer, err = h.Hierarchy.RootIssuer()
	must(t, err)
	h.Issuer, err = h.Hierarchy.Issuer()
	must(t, err)
	h.URLs = ca.URLsAt(base, h.Issuer.ID())
	return h
}

func TestOthersAcceptTheCRLs(t *testing.T) {
	for _, c := range []struct {
		root, intermediate string
		nss                bool // NSS 3.87 knows no Ed25519
	}{
		{"P-384", "P-256", true}, {"RSA-3072", "P-384", true}, {"P-256", "RSA-2048", true}, {"Ed25519", "Ed25519", false},
	} {
		t.Run(c.root+" and "+c.intermediate, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, hierarchy(t, c.root, c.intermediate), nil)
			alice, bob := w.issue("alice"), w.issue("bob")
			for _, reason := range []ca.Reason{ca.Unspecified, ca.KeyCompromise, ca.Superseded, ca.PrivilegeWithdrawn} {
				w.revoke(w.issue("carol"), reason)
			}
			w.revoke(alice, ca.KeyCompromise)
			w.refresh()
			w.files(alice, bob)
			w.file("bundle.pem", w.get("/crl/bundle.pem").Body.Bytes())
			w.file("issuer.crl", w.get("/crl/"+w.Issuer.ID()+".crl").Body.Bytes())
			w.file("top.crl", w.get("/crl/"+w.RootIssuer.ID()+".crl").Body.Bytes())
			w.acceptedByOpenSSL()
			w.acceptedByGnuTLS()
			if c.nss {
				w.acceptedByNSS()
			}
		})
	}
}

func (w *world) acceptedByOpenSSL() {
	w.Helper()
	for crl, issuer := range map[string]string{"issuer.crl": "issuer.pem", "top.crl": "root.pem"} {
		out, err := w.program("openssl", "openssl", "crl", "-inform", "DER", "-in", w.path(crl), "-CAfile", w.path(issuer), "-noout", "-text")
		if err != nil || !strings.Contains(out, "verify OK") {
			w.Errorf("openssl crl: %v\n%s", err, out)
		}
	}
	check := func(name string) (string, error) {
		return w.program("openssl", "openssl", "verify", "-crl_check_all", "-x509_strict",
			"-CAfile", w.path("root.pem"), "-untrusted", w.path("issuer.pem"), "-CRLfile", w.path("bundle.pem"), w.path(name))
	}
	if out, err := check("bob.pem"); err != nil {
		w.Errorf("openssl refuses bob: %v\n%s", err, out)
	}
	if out, err := check("alice.pem"); err == nil || !strings.Contains(out, "certificate revoked") {
		w.Errorf("openssl lets alice in: %v\n%s", err, out)
	}
}

func (w *world) acceptedByGnuTLS() {
	w.Helper()
	w.file("issuer.cer", w.get("/ca/"+w.Issuer.ID()+".cer").Body.Bytes())
	w.file("root.cer", w.get("/ca/"+w.RootIssuer.ID()+".cer").Body.Bytes())
	for crl, issuer := range map[string]string{"issuer.crl": "issuer.cer", "top.crl": "root.cer"} {
		out, err := w.program("gnutls-bin", "certtool", "--verify-crl", "--inder", "--infile", w.path(crl), "--load-ca-certificate", w.path(issuer))
		if err != nil || !strings.Contains(out, "Verified") {
			w.Errorf("certtool --verify-crl %s: %v\n%s", crl, err, out)
		}
	}
}

func (w *world) acceptedByNSS() {
	w.Helper()
	db := "sql:" + w.TempDir()
	run := func(name string, args ...string) (string, error) {
		return w.program("libnss3-tools", name, append(args, "-d", db)...)
	}
	steps := [][]string{
		{"certutil", "-N", "--empty-password"},
		{"certutil", "-A", "-n", "root", "-t", "CT,C,C", "-a", "-i", w.path("root.pem")},
		{"certutil", "-A", "-n", "issuer", "-t", "CT,C,C", "-a", "-i", w.path("issuer.pem")},
		{"crlutil", "-I", "-t", "1", "-i", w.path("top.crl")},
		{"crlutil", "-I", "-t", "1", "-i", w.path("issuer.crl")},
		{"certutil", "-A", "-n", "alice", "-t", ",,", "-a", "-i", w.path("alice.pem")},
		{"certutil", "-A", "-n", "bob", "-t", ",,", "-a", "-i", w.path("bob.pem")},
		{"certutil", "-V", "-n", "bob", "-u", "C"},
	}
	for _, step := range steps {
		if out, err := run(step[0], step[1:]...); err != nil {
			w.Errorf("%s: %v\n%s", strings.Join(step, " "), err, out)
		}
	}
	if out, err := run("certutil", "-V", "-n", "alice", "-u", "C"); err == nil || !strings.Contains(out, "revoked") {
		w.Errorf("NSS lets alice in: %v\n%s", err, out)
	}
}

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
