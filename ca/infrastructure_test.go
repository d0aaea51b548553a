package ca_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
)

const week = 7 * 24 * time.Hour

func parse(t testing.TB, record *ca.Certificate, err error) *x509.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	c, err := record.X509()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestResponder(t *testing.T) {
	h := catest.New(t)
	for _, algorithm := range []string{"P-256", "RSA-2048", "Ed25519"} {
		key, err := ca.GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		record, err := h.Issuer.IssueResponder(t.Context(), h.Serial(t), key.Public(), week, now())
		c := parse(t, record, err)
		lintCertificate(t, "responder "+algorithm, c)
		text := opensslText(t, c)
		for _, want := range []string{"OCSP Signing", "OCSP No Check"} {
			if !strings.Contains(text, want) {
				t.Errorf("openssl does not read %q in\n%s", want, text)
			}
		}
		if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageOCSPSigning || c.NotAfter.Sub(c.NotBefore) > week+time.Minute {
			t.Errorf("usages %v, from %v to %v", c.ExtKeyUsage, c.NotBefore, c.NotAfter)
		}
	}
	if _, err := h.Issuer.IssueResponder(t.Context(), h.Serial(t), h.IntermediateKey.Public(), week, now()); rule(err) != "key.ca" {
		t.Errorf("the CA's own key as responder: %v", err)
	}
}

func TestServer(t *testing.T) {
	h, key := catest.New(t), catest.Key(t)
	hosts := []string{"ca.example", "localhost", "192.0.2.1", "2001:db8::1"}
	record, err := h.Issuer.IssueServer(t.Context(), h.Serial(t), key.Public(), hosts, h.URLs, 12*week, now())
	c := parse(t, record, err)
	lintCertificate(t, "server", c)
	for _, host := range []string{"ca.example", "localhost", "192.0.2.1", "2001:db8::1"} {
		if _, err := c.Verify(x509.VerifyOptions{DNSName: host, Roots: h.Pool(), Intermediates: pool(h.Intermediate)}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, bad := range [][]string{nil, {""}, {"a b"}, {"-a.example"}, {"ca.example", "http://ca.example"}, {"a..b"}, {"*.example"}, {"ca.example:8443"}} {
		if _, err := h.Issuer.IssueServer(t.Context(), h.Serial(t), key.Public(), bad, h.URLs, week, now()); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
	long := strings.Repeat("a", 60) + ".example"
	record, err = h.Issuer.IssueServer(t.Context(), h.Serial(t), key.Public(), []string{long}, h.URLs, week, now())
	lintCertificate(t, "long host", parse(t, record, err))
}
