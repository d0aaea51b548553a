package ca_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"signet/ca"
	"signet/ca/catest"
)

// rule is the name of the rule that refused; "" where none did.
func rule(err error) string {
	var key *ca.KeyError
	var csr *ca.CSRError
	var name *ca.NameError
	switch {
	case errors.As(err, &key):
		return key.Rule
	case errors.As(err, &csr):
		return csr.Rule
	case errors.As(err, &name):
		return name.Rule
	}
	return ""
}

func TestCheckCSR(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		key, err := ca.GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkCSR(catest.CSR(t, key, pkix.Name{CommonName: "alice"})); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

func TestForgedCSR(t *testing.T) {
	csr := catest.CSR(t, catest.Key(t), pkix.Name{CommonName: "alice"})
	forged := bytes.Replace(csr.Raw, []byte("alice"), []byte("mallo"), 1)
	parsed, err := x509.ParseCertificateRequest(forged)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkCSR(parsed); rule(err) != "csr.signature" {
		t.Errorf("forged: %v", err)
	}
}

func TestCSRWithWeakKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkCSR(catest.CSR(t, key, pkix.Name{})); rule(err) != "key.size" {
		t.Errorf("RSA-1024: %v", err)
	}
}

// crypto/x509 signs no CSR with SHA-1, so openssl does.
func TestCSRWithSHA1(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "csr.pem")
	openssl(t, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", filepath.Join(dir, "key.pem"), "-sha1", "-subj", "/CN=alice", "-out", out)
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkCSR(csr); rule(err) != "csr.algorithm" {
		t.Errorf("SHA-1: %v", err)
	}
}

// A CSR whose names are not the account's is refused, and the difference said.
func TestRequestedNames(t *testing.T) {
	h, key := catest.New(t), catest.Key(t)
	strict := newProfile(t, ca.ProfileConfig{Subject: "CN={{.FullName}},O=Example", SANs: []string{"email"}})
	lax := newProfile(t, ca.ProfileConfig{Subject: "CN={{.FullName}},O=Example", SANs: []string{"email"}, IgnoreRequestedNames: true})
	own := pkix.Name{Organization: []string{"Example"}, CommonName: "Alice Example"}
	for name, test := range map[string]struct {
		request x509.CertificateRequest
		says    []string // in the refusal; none is no refusal
	}{
		"nothing asked": {x509.CertificateRequest{}, nil},
		"own subject":   {x509.CertificateRequest{Subject: own}, nil},
		"own names":     {x509.CertificateRequest{Subject: own, EmailAddresses: []string{"alice@example.com"}}, nil},
		"other subject": {x509.CertificateRequest{Subject: pkix.Name{CommonName: "Bob"}}, []string{`"CN=Bob"`, `"CN=Alice Example,O=Example"`}},
		"other order":   {x509.CertificateRequest{RawSubject: reversed(t, own)}, []string{`"O=Example,CN=Alice Example"`}},
		"other e-mail":  {x509.CertificateRequest{EmailAddresses: []string{"bob@example.com"}}, []string{"email:bob@example.com", "email:alice@example.com"}},
		"a name more":   {x509.CertificateRequest{EmailAddresses: []string{"alice@example.com"}, DNSNames: []string{"example.com"}}, []string{"dns:example.com"}},
		"an address":    {x509.CertificateRequest{IPAddresses: []net.IP{net.IPv6loopback}}, []string{"ip:::1"}},
	} {
		csr := sign(t, key, test.request)
		_, err := h.Issuer.Issue(t.Context(), strict, ca.Request{Person: alice, CSR: csr, Serial: h.Serial(t)}, h.URLs, now())
		if (rule(err) == "csr.names") != (test.says != nil) || (err != nil) != (test.says != nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range test.says {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %s", name, err, part)
			}
		}
		_, err = h.Issuer.Issue(t.Context(), lax, ca.Request{Person: alice, CSR: csr, Serial: h.Serial(t)}, h.URLs, now())
		if err != nil {
			t.Errorf("%s, names ignored: %v", name, err)
		}
	}
}

// FuzzCSR: no bytes make reading and checking a CSR panic, and none that pass
// make issuing panic or give a certificate for another key.
func FuzzCSR(f *testing.F) {
	h, p := catest.New(f), catest.Profile(f)
	key := catest.Key(f)
	f.Add(catest.CSR(f, key, pkix.Name{}).Raw)
	f.Add(sign(f, key, x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "alice"}, EmailAddresses: []string{"alice@example.com"}, DNSNames: []string{"a.example"},
	}).Raw)
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return
		}
		checked := checkCSR(csr)
		c, err := h.Issuer.Issue(t.Context(), p, ca.Request{Person: alice, CSR: csr, Serial: h.Serial(t)}, h.URLs, now())
		if err != nil || checked != nil {
			return
		}
		if c.KeyID != ca.KeyIDOf(csr.RawSubjectPublicKeyInfo) {
			t.Error("certificate for another key")
		}
	})
}

// checkCSR is the zero policy's check.
func checkCSR(csr *x509.CertificateRequest) error { return ca.KeyPolicy{}.CheckCSR(csr) }

func newProfile(t testing.TB, c ca.ProfileConfig) *ca.Profile {
	t.Helper()
	p, err := ca.NewProfile("p", c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sign(t testing.TB, key crypto.Signer, request x509.CertificateRequest) *x509.CertificateRequest {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &request, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func reversed(t *testing.T, n pkix.Name) []byte {
	t.Helper()
	return marshal(t, pkix.RDNSequence{n.ToRDNSequence()[1], n.ToRDNSequence()[0]})
}

// openssl runs the program and returns what it said.
func openssl(t testing.TB, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is missing: apt-get install openssl")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
