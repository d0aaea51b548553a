package ca_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
)

func now() time.Time { return time.Now() }

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestIssue(t *testing.T) {
	h, key := catest.New(t), catest.Key(t)
	at := now()
	serial := h.Serial(t)
	record, err := h.Issuer.Issue(t.Context(), catest.Profile(t),
		ca.Request{Person: alice, CSR: catest.CSR(t, key, pkix.Name{}), Serial: serial}, h.URLs, at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := record.X509()
	if err != nil {
		t.Fatal(err)
	}
	chains, err := c.Verify(x509.VerifyOptions{
		Roots: h.Pool(), Intermediates: pool(h.Issuer.Chain()...), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil || len(chains[0]) != 3 {
		t.Errorf("Verify: %v, %v", chains, err)
	}
	if record.Issuer != h.Issuer.ID() || record.Serial != serial || record.Profile != "user" ||
		record.Subject != "UID=alice,CN=Alice Example" || record.KeyID != ca.KeyIDOf(c.RawSubjectPublicKeyInfo) ||
		!record.NotBefore.Equal(c.NotBefore) || !record.NotAfter.Equal(c.NotAfter) {
		t.Errorf("record: %+v", record)
	}
	if early := at.Sub(c.NotBefore); early < 0 || early > 2*time.Minute {
		t.Errorf("begins %v before it was issued", early)
	}
	if life := c.NotAfter.Sub(at); life > 365*24*time.Hour || life < 365*24*time.Hour-2*time.Second {
		t.Errorf("lives for %v", life)
	}
	if c.KeyUsage != x509.KeyUsageDigitalSignature || c.IsCA || len(c.SubjectKeyId) != 20 ||
		string(c.AuthorityKeyId) != string(h.Intermediate.SubjectKeyId) {
		t.Errorf("key usage %b, CA %v, SKI %x, AKI %x", c.KeyUsage, c.IsCA, c.SubjectKeyId, c.AuthorityKeyId)
	}
	id := h.Issuer.ID()
	if got := strings.Join(append(append(c.CRLDistributionPoints, c.OCSPServer...), c.IssuingCertificateURL...), " "); got != catest.URL+"/crl/"+id+".crl "+catest.URL+"/ocsp "+catest.URL+"/ca/"+id+".cer" {
		t.Errorf("URLs: %s", got)
	}
	if strings.Join(c.EmailAddresses, " ") != "alice@example.com" {
		t.Errorf("e-mail: %v", c.EmailAddresses)
	}
}

// A profile for Windows logon, as other people's program reads it.
func TestWindowsLogon(t *testing.T) {
	h := catest.New(t)
	p := newProfile(t, ca.ProfileConfig{
		Subject: "CN={{.FullName}}", SANs: []string{"upn", "email"}, UPNDomain: "corp.example", SID: true,
		ExtKeyUsages: []string{"clientAuth", "smartcardLogon"},
	})
	person := alice
	person.SID = "S-1-5-21-1004336348-1177238915-682003330-512"
	c := issue(t, h, p, person, "P-256")
	text := strings.ReplaceAll(opensslText(t, c), "UPN::", "UPN:") // two before openssl 3.3
	for _, want := range []string{
		"othername: UPN:alice@corp.example, email:alice@example.com",
		"TLS Web Client Authentication, Microsoft Smartcard Login",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not read %q in\n%s", want, text)
		}
	}
	// Byte for byte the form of [MS-WCCE], Section 2.2.2.7.7.4, put together by hand.
	want := append(unhex(t, "303ca03a060a2b060104018237190201a02c042a"), person.SID...)
	want[1], want[3], want[17], want[19] = byte(len(want)-2), byte(len(want)-4), byte(len(person.SID)+2), byte(len(person.SID))
	for _, e := range c.Extensions {
		if e.Id.String() == "1.3.6.1.4.1.311.25.2" {
			if string(e.Value) != string(want) || e.Critical {
				t.Errorf("SID extension %x, critical %v; want %x", e.Value, e.Critical, want)
			}
			return
		}
	}
	t.Error("no SID extension")
}

func TestIssueRefuses(t *testing.T) {
	h, key := catest.New(t), catest.Key(t)
	csr := catest.CSR(t, key, pkix.Name{})
	p384, err := ca.GenerateKey("P-384")
	if err != nil {
		t.Fatal(err)
	}
	only256 := newProfile(t, ca.ProfileConfig{KeyAlgorithms: []string{"P-256"}})
	request := func(csr *x509.CertificateRequest) ca.Request {
		return ca.Request{Person: alice, CSR: csr, Serial: h.Serial(t)}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	https := h.URLs
	https.OCSP = "https://ca.example/ocsp"
	noSerial := request(csr)
	noSerial.Serial = ca.Serial{}
	for name, test := range map[string]struct {
		ctx     context.Context
		request ca.Request
		urls    ca.URLs
		now     time.Time
		is      error
		rule    string
	}{
		"kind of key":      {t.Context(), request(catest.CSR(t, p384, pkix.Name{})), h.URLs, now(), nil, "key.profile"},
		"issuer's key":     {t.Context(), request(catest.CSR(t, h.IntermediateKey, pkix.Name{})), h.URLs, now(), nil, "key.ca"},
		"root's key":       {t.Context(), request(catest.CSR(t, h.RootKey, pkix.Name{})), h.URLs, now(), nil, "key.ca"},
		"https":            {t.Context(), request(csr), https, now(), nil, ""},
		"no URLs":          {t.Context(), request(csr), ca.URLs{}, now(), nil, ""},
		"no serial":        {t.Context(), noSerial, h.URLs, now(), ca.ErrBadSerial, ""},
		"canceled":         {canceled, request(csr), h.URLs, now(), context.Canceled, ""},
		"CA not valid yet": {t.Context(), request(csr), h.URLs, now().Add(-time.Hour), ca.ErrIssuerValidity, ""},
		"CA has run out":   {t.Context(), request(csr), h.URLs, h.Intermediate.NotAfter, ca.ErrIssuerValidity, ""},
		"root has run out": {t.Context(), request(csr), h.URLs, h.Root.NotAfter.Add(time.Hour), ca.ErrIssuerValidity, ""},
	} {
		c, err := h.Issuer.Issue(test.ctx, only256, test.request, test.urls, test.now)
		if err == nil || c != nil || rule(err) != test.rule || (test.is != nil && !errors.Is(err, test.is)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No certificate outlives the one that signed it.
func TestLastYearOfACA(t *testing.T) {
	h := catest.New(t)
	c := h.Issue(t, "alice", catest.Key(t), h.Intermediate.NotAfter.Add(-30*24*time.Hour))
	if !c.NotAfter.Equal(h.Intermediate.NotAfter) {
		t.Errorf("ends %v, the CA %v", c.NotAfter, h.Intermediate.NotAfter)
	}
}

func BenchmarkIssue(b *testing.B) {
	h, p := catest.New(b), catest.Profile(b)
	csr := catest.CSR(b, catest.Key(b), pkix.Name{})
	for b.Loop() {
		if err := checkCSR(csr); err != nil {
			b.Fatal(err)
		}
		if _, err := h.Issuer.Issue(b.Context(), p, ca.Request{Person: alice, CSR: csr, Serial: h.Serial(b)}, h.URLs, now()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBare is the least that anybody can do: check the CSR and sign.
func BenchmarkBare(b *testing.B) {
	h := catest.New(b)
	csr := catest.CSR(b, catest.Key(b), pkix.Name{})
	for b.Loop() {
		if err := csr.CheckSignature(); err != nil {
			b.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: h.Serial(b).Big(), Subject: pkix.Name{CommonName: "alice"}, NotBefore: now(), NotAfter: now().Add(time.Hour),
		}
		if _, err := x509.CreateCertificate(nil, template, h.Intermediate, csr.PublicKey, h.IntermediateKey); err != nil {
			b.Fatal(err)
		}
	}
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

// issue makes a certificate of p for person and a new key.
func issue(t testing.TB, h *catest.Hierarchy, p *ca.Profile, person ca.Person, algorithm string) *x509.Certificate {
	t.Helper()
	key, err := ca.GenerateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	record, err := h.Issuer.Issue(t.Context(), p, ca.Request{Person: person, CSR: catest.CSR(t, key, pkix.Name{}), Serial: h.Serial(t)}, h.URLs, now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := record.X509()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
