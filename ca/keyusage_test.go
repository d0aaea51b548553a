package ca_test

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"signet/ca"
	"signet/ca/catest"
)

const (
	dS = x509.KeyUsageDigitalSignature
	cC = x509.KeyUsageContentCommitment
	kE = x509.KeyUsageKeyEncipherment
	kA = x509.KeyUsageKeyAgreement
)

// Each combination as it comes out by kind of key, held to zlint and to OpenSSL's purposes.
func TestKeyUsages(t *testing.T) {
	h := catest.New(t)
	dir := t.TempDir()
	root, between := writePEM(t, dir, "root", h.Root), writePEM(t, dir, "intermediate", h.Intermediate)
	for _, test := range []struct {
		name      string
		usages    []string
		purposes  []string
		algorithm string
		want      x509.KeyUsage
		serves    []string // OpenSSL's
		not       []string
	}{
		{"as ever", nil, nil, "P-256", dS, []string{"sslclient"}, []string{"smimesign", "sslserver"}},
		{"mail as ever", nil, []string{"emailProtection"}, "RSA-2048", dS | kE, []string{"smimesign", "smimeencrypt"}, []string{"sslclient"}},
		{"signing", []string{"digitalSignature", "contentCommitment"}, []string{"emailProtection"}, "P-384", dS | cC,
			[]string{"smimesign"}, []string{"smimeencrypt", "sslclient"}},
		{"signing, by its old name", []string{"nonRepudiation", "digitalSignature"}, []string{"emailProtection", "documentSigning"}, "Ed25519", dS | cC,
			[]string{"smimesign"}, []string{"smimeencrypt"}},
		{"commitment alone", []string{"contentCommitment"}, []string{"documentSigning"}, "P-256", cC, nil, []string{"sslclient"}},
		{"encryption with RSA", []string{"keyEncipherment"}, []string{"emailProtection"}, "RSA-2048", kE,
			[]string{"smimeencrypt"}, []string{"smimesign", "sslclient"}},
		{"encryption with RSA, by the other name", []string{"keyAgreement"}, []string{"emailProtection"}, "RSA-3072", kE,
			[]string{"smimeencrypt"}, []string{"smimesign"}},
		// OpenSSL's smimeencrypt wants keyEncipherment, which no EC key may have (RFC 8813): "cms -encrypt" takes it.
		{"encryption with a curve", []string{"keyEncipherment"}, []string{"emailProtection"}, "P-256", kA, nil, []string{"smimesign", "sslclient"}},
		{"both names", []string{"keyEncipherment", "keyAgreement"}, []string{"emailProtection"}, "P-384", kA, nil, []string{"smimesign"}},
		{"all of mail", []string{"digitalSignature", "contentCommitment", "keyAgreement"}, []string{"emailProtection", "clientAuth"}, "RSA-2048", dS | cC | kE,
			[]string{"smimesign", "smimeencrypt", "sslclient"}, nil},
	} {
		profile := newProfile(t, ca.ProfileConfig{SANs: []string{"email"}, KeyUsages: test.usages, ExtKeyUsages: test.purposes, KeyAlgorithms: []string{test.algorithm}})
		c := issue(t, h, profile, alice, test.algorithm)
		if c.KeyUsage != test.want {
			t.Errorf("%s: key usage %b, want %b", test.name, c.KeyUsage, test.want)
		}
		lintCertificate(t, test.name, c)
		leaf := writePEM(t, dir, "leaf", c)
		for _, purpose := range test.serves {
			openssl(t, "verify", "-CAfile", root, "-untrusted", between, "-purpose", purpose, leaf)
		}
		for _, purpose := range test.not {
			out, err := exec.Command("openssl", "verify", "-CAfile", root, "-untrusted", between, "-purpose", purpose, leaf).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "error 26 at 0 depth") { // X509_V_ERR_INVALID_PURPOSE
				t.Errorf("%s: openssl on %s: %v\n%s", test.name, purpose, err, out)
			}
		}
	}
}

// A message encrypted to a curve's key agreement certificate, which -purpose wrongly refuses.
func TestEncryptToCurve(t *testing.T) {
	h, dir := catest.New(t), t.TempDir()
	profile := newProfile(t, ca.ProfileConfig{SANs: []string{"email"}, KeyUsages: []string{"keyAgreement"}, ExtKeyUsages: []string{"emailProtection"}})
	leaf, message := writePEM(t, dir, "leaf", issue(t, h, profile, alice, "P-256")), filepath.Join(dir, "message")
	if err := os.WriteFile(message, []byte("meet me at noon"), 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, "cms", "-encrypt", "-aes256", "-in", message, "-out", message+".p7m", leaf)
}

func TestKeyUsagesRefused(t *testing.T) {
	for _, test := range []struct {
		usages, purposes, algorithms []string
		want                         string
	}{
		{[]string{"keyCertSign"}, nil, nil, "no key usage for people"},
		{[]string{"cRLSign"}, nil, nil, "no key usage for people"},
		{[]string{"dataEncipherment"}, nil, nil, "no key usage for people"},
		{[]string{"digital signature"}, nil, nil, "no key usage for people"},
		{[]string{"contentCommitment"}, nil, nil, "clientAuth needs digitalSignature"},
		{[]string{"keyAgreement"}, []string{"smartcardLogon", "emailProtection"}, nil, "smartcardLogon needs digitalSignature"},
		{[]string{"digitalSignature", "contentCommitment"}, []string{"clientAuth"}, nil, "contentCommitment is for none of the ext_key_usages"},
		{[]string{"digitalSignature", "digitalSignature"}, nil, nil, "digitalSignature is there twice"},
		{[]string{"keyEncipherment"}, []string{"documentSigning"}, nil, "none of keyEncipherment is for documentSigning"},
		{[]string{"keyEncipherment"}, []string{"emailProtection"}, []string{"P-256", "Ed25519"}, "not for Ed25519"},
	} {
		_, err := ca.NewProfile("p", ca.ProfileConfig{KeyUsages: test.usages, ExtKeyUsages: test.purposes, KeyAlgorithms: test.algorithms})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v for %v: %v, want %q", test.usages, test.purposes, err, test.want)
		}
	}
}
