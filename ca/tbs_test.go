package ca

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math"
	"strings"
	"testing"
	"time"
)

// templateOf is t as crypto/x509 wants it.
func templateOf(tb testing.TB, t terms) *x509.Certificate {
	tb.Helper()
	c := &x509.Certificate{
		SerialNumber: t.serial.Big(),
		RawSubject:   t.subject,
		NotBefore:    t.notBefore, NotAfter: t.notAfter,
		KeyUsage: t.keyUsage, UnknownExtKeyUsage: t.usages,
		BasicConstraintsValid: true, IsCA: t.ca, MaxPathLen: -1,
		OCSPServer: orNone(t.urls.OCSP), IssuingCertificateURL: orNone(t.urls.CAIssuers),
		CRLDistributionPoints: orNone(t.urls.CRL),
		ExtraExtensions:       t.extensions[:len(t.extensions):len(t.extensions)],
	}
	if t.ca {
		c.MaxPathLen, c.MaxPathLenZero = t.pathLen, t.pathLen == 0
	}
	var err error
	if c.SubjectKeyId, err = subjectKeyID(t.spki); err != nil {
		tb.Fatal(err)
	}
	if len(t.sans) > 0 {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidSAN, Critical: t.subjectIsEmpty(), Value: marshalAltNames(t.sans)})
	}
	return c
}

// What is built is what crypto/x509 builds, to the last bit.
func TestBuiltAsByTheStandardLibrary(t *testing.T) {
	i, key, user := checkFixture(t)
	root, rootTerms := rootFixture(t)
	for name, test := range map[string]struct {
		issuer *Issuer
		change func(*terms)
	}{
		"user": {i, func(*terms) {}},
		"mail": {i, func(t *terms) {
			t.keyUsage |= x509.KeyUsageKeyAgreement
			t.usages = append(t.usages, oidEmailProtection)
		}},
		"nine key usages":  {i, func(t *terms) { t.keyUsage = 1<<9 - 1 }},
		"no usages":        {i, func(t *terms) { t.usages = nil }},
		"no names":         {i, func(t *terms) { t.sans = nil }},
		"no subject":       {i, func(t *terms) { t.subject = []byte{0x30, 0} }},
		"no URLs":          {i, func(t *terms) { t.urls = URLs{} }},
		"no responder":     {i, func(t *terms) { t.urls.OCSP = "" }},
		"no issuer's URL":  {i, func(t *terms) { t.urls.CAIssuers = "" }},
		"an extension":     {i, func(t *terms) { t.extensions = []pkix.Extension{{Id: oidNoCheck, Value: asn1.NullBytes}} }},
		"next century":     {i, func(t *terms) { t.notAfter = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"long names":       {i, func(t *terms) { t.sans = append(t.sans, altName{"email", strings.Repeat("a", 300) + "@example.com"}) }},
		"intermediate":     {i, func(t *terms) { t.ca, t.keyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign }},
		"long path":        {i, func(t *terms) { t.ca, t.pathLen, t.keyUsage = true, 300, x509.KeyUsageCertSign }},
		"path of any size": {i, func(t *terms) { t.ca, t.pathLen, t.keyUsage = true, -1, x509.KeyUsageCertSign }},
		"root":             {root, func(t *terms) { *t = rootTerms }},
	} {
		agreed := user
		test.change(&agreed)
		want := standardTBS(t, test.issuer, agreed)
		got, err := test.issuer.tbs(&agreed)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n%x, want\n%x", name, err, got, want)
		}
	}
	if key.signatures != 0 {
		t.Errorf("the CA's key made %d signatures", key.signatures)
	}
}

// rootFixture is a root that is about to be issued, by itself.
func rootFixture(t *testing.T) (*Issuer, terms) {
	t.Helper()
	key, err := GenerateKey("P-384")
	if err != nil {
		t.Fatal(err)
	}
	out, err := caTerms(RootProfile, "Test", "Root CA", key.Public(), -1)
	if err != nil {
		t.Fatal(err)
	}
	out.serial, out.lifetime = Serial{1}, time.Hour
	i, err := selfIssuer(out, key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := i.setValidity(&out, time.Now()); err != nil {
		t.Fatal(err)
	}
	return i, out
}

// standardTBS is what crypto/x509 builds, signed by a key of no one's.
func standardTBS(t *testing.T, i *Issuer, agreed terms) []byte {
	t.Helper()
	var key crypto.Signer
	var err error
	if key = i.signer; i.cert.Raw != nil {
		if key, err = GenerateKey("P-256"); err != nil {
			t.Fatal(err)
		}
	}
	parent := *i.cert
	parent.PublicKey = nil
	der, err := x509.CreateCertificate(rand.Reader, templateOf(t, agreed), &parent, agreed.pub, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c.RawTBSCertificate
}

// What is encoded here is what encoding/asn1 and crypto/x509 encode.
func TestOIDsEncoded(t *testing.T) {
	for _, oid := range []asn1.ObjectIdentifier{
		{0, 0}, {0, 39}, {1, 39, 0}, {2, 999, 3}, {2, 5, 29, 17}, {1, 2, 127, 128, 16383, 16384, 2097151, 2097152, math.MaxInt32}, oidUPN,
	} {
		want, err := asn1.Marshal(oid)
		if got := derOID(oid); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x, %v", oid, got, want, err)
		}
	}
	for _, oid := range []asn1.ObjectIdentifier{nil, {1}, {3, 1}, {0, 40}, {1, 40}, {1, 2, -3}, {-1, 2}} {
		if got := derOID(oid); got != nil {
			t.Errorf("%v: %x", []int(oid), got)
		}
	}
}

func TestPublicKeysEncoded(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		key, err := GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		want, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := derPublicKey(key.Public()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x, %v", algorithm, got, want, err)
		}
	}
}
