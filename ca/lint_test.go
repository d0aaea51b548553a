package ca_test

import (
	"crypto/x509"
	"testing"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"signet/ca"
	"signet/ca/catest"
)

// lintCertificate holds c to zlint's rules of the RFCs. Those of the CA/Browser
// Forum and the browsers are not for a private CA.
func lintCertificate(t *testing.T, what string, c *x509.Certificate) {
	t.Helper()
	rules, err := lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC5280, lint.RFC5480, lint.RFC8813},
	})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := zx509.ParseCertificate(c.Raw)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	applied := 0
	for name, result := range zlint.LintCertificateEx(parsed, rules).Results {
		if result.Status > lint.NE {
			applied++
		}
		if result.Status > lint.Pass {
			t.Errorf("%s: %s: %s %s", what, name, result.Status, result.Details)
		}
	}
	if applied < 30 {
		t.Errorf("%s: only %d rules were applied", what, applied)
	}
}

func TestLintCAs(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-3072", "Ed25519"} {
		h := hierarchy(t, algorithm, algorithm)
		lintCertificate(t, algorithm+" root", h.Root)
		lintCertificate(t, algorithm+" intermediate", h.Intermediate)
		issuer, err := h.Issuer()
		if err != nil {
			t.Fatal(err)
		}
		of := &catest.Hierarchy{Hierarchy: h, Issuer: issuer, Serials: serials, URLs: ca.URLsAt("http://ca.example", issuer.ID())}
		lintCertificate(t, "user below "+algorithm, issue(t, of, catest.Profile(t), alice, "P-256"))
	}
}

func TestLintProfiles(t *testing.T) {
	h := catest.New(t)
	windows := alice
	windows.SID = "S-1-5-21-1004336348-1177238915-682003330-512"
	for name, profile := range map[string]ca.ProfileConfig{
		"default": ca.DefaultProfile(),
		"mail":    {Subject: "CN={{.FullName}},emailAddress={{.Email}}", SANs: []string{"email"}, ExtKeyUsages: []string{"emailProtection"}},
		"windows": {SANs: []string{"upn"}, UPNDomain: "corp.example", SID: true, ExtKeyUsages: []string{"clientAuth", "smartcardLogon", "pkinitClient"}},
		"long":    {Subject: "serialNumber={{.Name}}+CN={{.FullName}},OU=Österreich,O=Example\\, Inc.,L=Wien,ST=Wien,C=AT", Lifetime: "3650d"},
		"domain":  {Subject: "UID={{.Name}},DC=example,DC=com", ExtKeyUsages: []string{"1.3.6.1.5.5.7.3.21"}, Lifetime: "10m"},
	} {
		profile.KeyAlgorithms = []string{"P-256", "P-384", "RSA-2048", "RSA-3072", "Ed25519"}
		for _, algorithm := range profile.KeyAlgorithms {
			lintCertificate(t, name+" "+algorithm, issue(t, h, newProfile(t, profile), windows, algorithm))
		}
	}
}
