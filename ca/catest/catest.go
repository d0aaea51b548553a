// Package catest gives tests a certificate authority in a line.
package catest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"sync/atomic"
	"testing"
	"time"

	"signet/ca"
)

// A Hierarchy is a root and an intermediate with P-256 keys, made for one test
// and valid from a minute ago.
type Hierarchy struct {
	*ca.Hierarchy
	RootIssuer *ca.Issuer
	Issuer     *ca.Issuer // the intermediate
	Serials    *ca.SerialSource
	URLs       ca.URLs // for leaves of Issuer, below URL
}

// URL is the base of the plain HTTP listener in the certificates made here.
const URL = "http://ca.example:8080"

// New makes a hierarchy as of now.
func New(t testing.TB) *Hierarchy {
	t.Helper()
	return NewAt(t, time.Now())
}

// NewAt makes a hierarchy as of a moment, for tests with a clock of their own.
func NewAt(t testing.TB, now time.Time) *Hierarchy {
	t.Helper()
	h := &Hierarchy{Serials: ca.NewSerialSource(new(memory))}
	var err error
	h.Hierarchy, err = ca.NewHierarchy(ca.SetupConfig{
		Name: "Test", RootAlgorithm: "P-256", IntermediateAlgorithm: "P-256",
		RootSerial: h.Serial(t), IntermediateSerial: h.Serial(t), URL: URL, Now: now,
	})
	must(t, err)
	h.RootIssuer, err = h.Hierarchy.RootIssuer()
	must(t, err)
	h.Issuer, err = h.Hierarchy.Issuer()
	must(t, err)
	h.URLs = ca.URLsAt(URL, h.Issuer.ID())
	return h
}

// Serial is a fresh serial number.
func (h *Hierarchy) Serial(t testing.TB) ca.Serial {
	t.Helper()
	s, err := h.Serials.Next(context.Background())
	must(t, err)
	return s
}

// Pool is a pool of the root alone.
func (h *Hierarchy) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(h.Root)
	return pool
}

// Issue makes a certificate of the default profile for key, as of now, for the
// account called name, without an e-mail address.
func (h *Hierarchy) Issue(t testing.TB, name string, key crypto.Signer, now time.Time) *ca.Certificate {
	t.Helper()
	c, err := h.Issuer.Issue(context.Background(), Profile(t), ca.Request{
		Person: ca.Person{Name: name}, CSR: CSR(t, key, pkix.Name{}), Serial: h.Serial(t),
	}, h.URLs, now)
	must(t, err)
	c.Account = name
	return c
}

// Profile is the default profile, "user".
func Profile(t testing.TB) *ca.Profile {
	t.Helper()
	p, err := ca.NewProfile("user", ca.DefaultProfile())
	must(t, err)
	return p
}

// Key is a new P-256 key.
func Key(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ca.GenerateKey("P-256")
	must(t, err)
	return key
}

// CSR is a certificate signing request by key for subject; the zero name asks
// for nothing.
func CSR(t testing.TB, key crypto.Signer, subject pkix.Name) *x509.CertificateRequest {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	must(t, err)
	csr, err := x509.ParseCertificateRequest(der)
	must(t, err)
	return csr
}

// memory is a SerialStore that forgets everything with the test.
type memory struct{ blocks atomic.Uint32 }

var _ ca.SerialStore = (*memory)(nil)

func (m *memory) ReserveSerialBlock(context.Context) (uint32, error) { return m.blocks.Add(1), nil }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
