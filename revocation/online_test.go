package revocation_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"signet/ca"
)

// online is a world whose certificates point to where its handler really is.
func online(t *testing.T, root, intermediate string) *world {
	t.Helper()
	var w *world
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.handler.ServeHTTP(rw, r) }))
	t.Cleanup(s.Close)
	w = newWorldOf(t, hierarchyAt(t, root, intermediate, s.URL), nil)
	w.run()
	return w
}

// algorithms are those of the issuers whose OCSP others are to judge.
var algorithms = []string{"P-256", "P-384", "RSA-2048", "Ed25519"}

// TestStrongSwanAsksOnline: strongSwan finds OCSP and CRLs by what stands in the
// certificates, the intermediate's too.
func TestStrongSwanAsksOnline(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			w := online(t, algorithm, algorithm)
			alice, bob := w.issue("alice"), w.issue("bob")
			w.revoke(alice, ca.KeyCompromise)
			w.refresh()
			w.files(alice, bob)
			verify := func(name string) (string, error) {
				return w.program("libstrongswan-standard-plugins libstrongswan-extra-plugins strongswan-pki", "pki", "--verify", "--online", "--debug", "2",
					"--in", w.path(name), "--cacert", w.path("issuer.pem"), "--cacert", w.path("root.pem"))
			}
			out, err := verify("bob.pem")
			if err != nil || !strings.Contains(out, "ocsp response correctly signed") || !strings.Contains(out, "certificate status is good") {
				t.Errorf("bob: %v\n%s", err, out)
			}
			out, err = verify("alice.pem")
			if err == nil || !strings.Contains(out, "certificate was revoked") || !strings.Contains(out, "key compromise") {
				t.Errorf("alice: %v\n%s", err, out)
			}
		})
	}
}

func TestOpenSSLAsksEveryIssuer(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			w := online(t, algorithm, algorithm)
			alice, bob := w.issue("alice"), w.issue("bob")
			w.revoke(alice, ca.AffiliationChanged)
			w.files(alice, bob)
			// A signed request names who asks: it is answered like any other (RFC 5019, Section 2.1.2).
			key := w.signingFiles()
			base := w.serve() + "/ocsp"
			for name, args := range map[string][]string{
				"nonce": {"-nonce"}, "none": {"-no_nonce"},
				"signed": append([]string{"-nonce"}, key...), "signed, none": append([]string{"-no_nonce"}, key...),
				"SHA-1 and SHA-256 and SHA-1": {"-sha256", "-cert", w.path("alice.pem"), "-sha1"},
			} {
				out, err := w.program("openssl", "openssl", append(append([]string{"ocsp", "-issuer", w.path("issuer.pem"), "-CAfile", w.path("root.pem"),
					"-verify_other", w.path("issuer.pem"), "-url", base}, args...), "-cert", w.path("alice.pem"), "-cert", w.path("bob.pem"))...)
				if err != nil || !strings.Contains(out, "Response verify OK") || strings.Contains(out, "WARNING") ||
					!strings.Contains(out, "alice.pem: revoked") || !strings.Contains(out, "bob.pem: good") {
					t.Errorf("%s: %v\n%s", name, err, out)
				}
			}
		})
	}
}

// signingFiles are OpenSSL's options to sign a request as somebody.
func (w *world) signingFiles() []string {
	w.Helper()
	out, err := w.program("openssl", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody",
		"-keyout", w.path("somebody.key"), "-out", w.path("somebody.pem"))
	if err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	return []string{"-signer", w.path("somebody.pem"), "-signkey", w.path("somebody.key")}
}

// TestNSSAsksOnline: NSS asks by POST, finding the responder in the certificate.
// NSS 3.87 knows no Ed25519.
func TestNSSAsksOnline(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			w := online(t, algorithm, algorithm)
			alice, bob := w.issue("alice"), w.issue("bob")
			w.revoke(alice, ca.KeyCompromise)
			w.files(alice, bob)
			db := "sql:" + t.TempDir()
			for _, step := range [][]string{
				{"-N", "--empty-password"},
				{"-A", "-n", "root", "-t", "CT,C,C", "-a", "-i", w.path("root.pem")},
				{"-A", "-n", "issuer", "-t", ",,", "-a", "-i", w.path("issuer.pem")},
			} {
				if out, err := w.program("libnss3-tools", "certutil", append(step, "-d", db)...); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			verify := func(name string) (string, error) {
				return w.program("libnss3-tools", "vfychain", "-d", db, "-pp", "-u", "0", "-v",
					"-g", "leaf", "-m", "ocsp", "-s", "failIfNoInfo", "-a", w.path(name))
			}
			if out, err := verify("bob.pem"); err != nil || !strings.Contains(out, "Chain is good") {
				t.Errorf("bob: %v\n%s", err, out)
			}
			if out, err := verify("alice.pem"); err == nil || !strings.Contains(out, "revoked") {
				t.Errorf("alice: %v\n%s", err, out)
			}
		})
	}
}

// TestCurlAndOpenSSLByGET fetches an answer as any HTTP client would, twice: the
// second time the copy at hand is confirmed.
func TestCurlAndOpenSSLByGET(t *testing.T) {
	w := online(t, "P-256", "P-256")
	bob := w.issue("bob")
	w.files(bob, bob)
	base := w.serve() + "/ocsp/"
	_, err := w.program("openssl", "openssl", "ocsp", "-issuer", w.path("issuer.pem"), "-cert", w.path("bob.pem"), "-no_nonce", "-reqout", w.path("request.der"))
	must(t, err)
	text, err := w.program("openssl", "openssl", "base64", "-A", "-in", w.path("request.der"))
	must(t, err)
	fetch := func() string {
		out, err := w.program("curl", "curl", "-sS", "--fail", "-D", "-", "-o", w.path("response.der"), "--etag-save", w.path("etag"), "--etag-compare", w.path("etag"),
			base+strings.NewReplacer("+", "%2B", "=", "%3D").Replace(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	if out := fetch(); !strings.Contains(out, " 200 OK") || !strings.Contains(out, "Content-Type: application/ocsp-response") {
		t.Errorf("the first time:\n%s", out)
	}
	answer, err := os.ReadFile(w.path("response.der"))
	must(t, err)
	if out := fetch(); !strings.Contains(out, " 304 Not Modified") {
		t.Errorf("the second time:\n%s", out)
	}
	w.file("response.der", answer)
	out, err := w.program("openssl", "openssl", "ocsp", "-respin", w.path("response.der"), "-no_nonce", "-CAfile", w.path("root.pem"),
		"-verify_other", w.path("issuer.pem"), "-issuer", w.path("issuer.pem"), "-cert", w.path("bob.pem"))
	if err != nil || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, "bob.pem: good") {
		t.Errorf("%v\n%s", err, out)
	}
}
