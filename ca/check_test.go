package ca

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

type oneBlock struct{}

func (oneBlock) ReserveSerialBlock(context.Context) (uint32, error) { return 1, nil }

// watched is a key that tells how often it signed.
type watched struct {
	crypto.Signer
	signatures int
}

func (w *watched) SignMessage(r io.Reader, msg []byte, opts crypto.SignerOpts) ([]byte, error) {
	w.signatures++
	return crypto.SignMessage(w.Signer, r, msg, opts)
}

func checkFixture(t *testing.T) (*Issuer, *watched, terms) {
	t.Helper()
	serials := NewSerialSource(oneBlock{})
	next := func() Serial {
		s, err := serials.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	h, err := NewHierarchy(SetupConfig{Name: "Test", RootSerial: next(), IntermediateSerial: next(), URL: "http://ca.example"})
	if err != nil {
		t.Fatal(err)
	}
	key := &watched{Signer: h.IntermediateKey}
	i, err := NewIssuer(h.Intermediate, []*x509.Certificate{h.Root}, key)
	if err != nil {
		t.Fatal(err)
	}
	return i, key, userTerms(t, i, next())
}

func userTerms(t *testing.T, i *Issuer, serial Serial) terms {
	t.Helper()
	p, err := NewProfile("user", DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	key, err := GenerateKey("P-256")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.terms(Request{Person: Person{Name: "alice", FullName: "Alice", Email: "alice@example.com"}, CSR: csr, Serial: serial})
	if err != nil {
		t.Fatal(err)
	}
	out.urls = URLsAt("http://ca.example", i.ID())
	if err := i.setValidity(&out, time.Now()); err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever goes wrong in building a certificate, the CA's key never signs it.
func TestNothingUnagreedIsSigned(t *testing.T) {
	i, key, agreed := checkFixture(t)
	other, err := GenerateKey("P-256")
	if err != nil {
		t.Fatal(err)
	}
	build := func(change func(*x509.Certificate), pub crypto.PublicKey) error {
		template := templateOf(t, agreed)
		change(template)
		_, err := x509.CreateCertificate(rand.Reader, template, i.cert, pub, through{i, agreed})
		return err
	}
	if err := build(func(*x509.Certificate) {}, agreed.pub); err != nil || key.signatures != 1 {
		t.Fatalf("what was agreed on: %v, %d signatures", err, key.signatures)
	}
	for name, change := range map[string]func(*x509.Certificate){
		"serial":         func(c *x509.Certificate) { c.SerialNumber.Add(c.SerialNumber, c.SerialNumber) },
		"subject":        func(c *x509.Certificate) { c.RawSubject = nil; c.Subject = pkix.Name{CommonName: "root"} },
		"not before":     func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Hour) },
		"not after":      func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) },
		"key usage":      func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign },
		"a CA":           func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign },
		"usage added":    func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} },
		"usage removed":  func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil },
		"usage unknown":  func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} },
		"SKI":            func(c *x509.Certificate) { c.SubjectKeyId = []byte("twenty octets of key") },
		"no SKI":         func(c *x509.Certificate) { c.SubjectKeyId = nil },
		"CRL":            func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://elsewhere.example"} },
		"no CRL":         func(c *x509.Certificate) { c.CRLDistributionPoints = nil },
		"OCSP":           func(c *x509.Certificate) { c.OCSPServer = append(c.OCSPServer, "http://elsewhere.example") },
		"caIssuers":      func(c *x509.Certificate) { c.IssuingCertificateURL = nil },
		"no names":       func(c *x509.Certificate) { c.ExtraExtensions = nil },
		"other names":    func(c *x509.Certificate) { c.ExtraExtensions = nil; c.EmailAddresses = []string{"bob@example.com"} },
		"critical names": func(c *x509.Certificate) { c.ExtraExtensions[0].Critical = true },
		"extension": func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}})
		},
		"no basic constraints": func(c *x509.Certificate) { c.BasicConstraintsValid = false },
		"policy": func(c *x509.Certificate) {
			c.PolicyIdentifiers = []asn1.ObjectIdentifier{{1, 2, 3}}
			c.Policies = []x509.OID{{}}
		},
	} {
		if err := build(change, agreed.pub); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if err := build(func(*x509.Certificate) {}, other.Public()); err == nil || !strings.Contains(err.Error(), "another public key") {
		t.Errorf("another key: %v", err)
	}
	if key.signatures != 1 {
		t.Errorf("the CA's key made %d signatures", key.signatures)
	}
}

// through has x509.CreateCertificate's bytes signed by [Issuer.sign].
type through struct {
	*Issuer
	agreed terms
}

func (s through) Public() crypto.PublicKey { return s.signer.Public() }

func (s through) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("not asked for")
}

func (s through) SignMessage(_ io.Reader, tbs []byte, _ crypto.SignerOpts) ([]byte, error) {
	der, err := s.sign(s.agreed, tbs)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	return c.Signature, err
}

func TestNoBlindSignature(t *testing.T) {
	i, key, agreed := checkFixture(t)
	if _, err := i.sign(agreed, []byte("anything")); err == nil {
		t.Error("no certificate at all: signed")
	}
	if key.signatures != 0 {
		t.Errorf("the CA's key made %d signatures", key.signatures)
	}
}

// faulty is a key whose signatures are wrong now and then.
type faulty struct{ crypto.Signer }

func (f faulty) SignMessage(r io.Reader, tbs []byte, opts crypto.SignerOpts) ([]byte, error) {
	return crypto.SignMessage(f.Signer, r, append(tbs[:len(tbs):len(tbs)], 0), opts)
}

func TestFaultySignatureDoesNotLeave(t *testing.T) {
	i, key, agreed := checkFixture(t)
	i.signer = faulty{key.Signer}
	if c, err := i.issue(t.Context(), agreed, time.Now()); err == nil || c != nil {
		t.Errorf("issue: %t, %v", c != nil, err)
	}
}

// failing is a key that is out of reach, as one in hardware may be.
type failing struct{ crypto.Signer }

var errGone = errors.New("the HSM is gone")

func (failing) SignMessage(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errGone
}

func TestSignerFails(t *testing.T) {
	i, key, agreed := checkFixture(t)
	i.signer = failing{key}
	if c, err := i.issue(t.Context(), agreed, time.Now()); !errors.Is(err, errGone) || c != nil {
		t.Errorf("issue: %t, %v", c != nil, err)
	}
}
