package crl_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// issuers is one of each kind of key, made once.
var issuers = map[string]*authority{}

type authority struct {
	*ca.Issuer
	key  crypto.Signer
	root *x509.Certificate
}

// authorityOf is a root whose key is of that algorithm.
func authorityOf(t testing.TB, algorithm string) *authority {
	t.Helper()
	if a := issuers[algorithm]; a != nil {
		return a
	}
	serials := ca.NewSerialSource(new(blocks))
	h, err := ca.NewHierarchy(ca.SetupConfig{
		Name: "Test", RootAlgorithm: algorithm, IntermediateAlgorithm: "P-256", URL: "http://ca.example",
		RootSerial: next(t, serials), IntermediateSerial: next(t, serials),
	})
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := h.RootIssuer()
	if err != nil {
		t.Fatal(err)
	}
	issuers[algorithm] = &authority{issuer, h.RootKey, h.Root}
	return issuers[algorithm]
}

type blocks struct{ n uint32 }

func (b *blocks) ReserveSerialBlock(context.Context) (uint32, error) { b.n++; return b.n, nil }

func next(t testing.TB, s *ca.SerialSource) ca.Serial {
	t.Helper()
	serial, err := s.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return serial
}

// template is a CRL with n entries that go through the reasons.
func template(t testing.TB, n int, now time.Time) (crl.Template, []crl.Entry) {
	t.Helper()
	serials := ca.NewSerialSource(new(blocks))
	reasons := []ca.Reason{ca.Unspecified, ca.KeyCompromise, ca.CertificateHold, ca.PrivilegeWithdrawn}
	var entries []crl.Entry
	for i := range n {
		entries = append(entries, crl.Entry{
			Serial: next(t, serials), At: now.Add(-time.Duration(i) * time.Hour), Reason: reasons[i%len(reasons)],
		})
	}
	return crl.Template{
		Number: 200, ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour),
		Entries: func(yield func(crl.Entry) bool) error {
			for _, e := range entries {
				if !yield(e) {
					break
				}
			}
			return nil
		},
	}, entries
}

func TestToBeSignedIsThatOfTheStandardLibrary(t *testing.T) {
	dates := map[string]time.Time{
		"today":            time.Now().Truncate(time.Second),
		"in another zone":  time.Date(2031, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3*3600)),
		"GeneralizedTime":  time.Date(2051, 12, 31, 23, 59, 59, 0, time.UTC),
		"across 2049/2050": time.Date(2049, 12, 31, 12, 0, 0, 0, time.UTC),
	}
	for _, algorithm := range []string{"P-256", "P-384", "Ed25519", "RSA-2048"} {
		for name, now := range dates {
			for _, n := range []int{0, 1, 4, 300} {
				issuer := authorityOf(t, algorithm)
				tmpl, entries := template(t, n, now)
				der, err := crl.Create(issuer.Issuer, tmpl)
				if err != nil {
					t.Fatalf("%s, %s, %d entries: %v", algorithm, name, n, err)
				}
				got, err := crl.Parse(der)
				if err != nil {
					t.Fatal(err)
				}
				want := standard(t, issuer, tmpl, entries)
				if !bytes.Equal(got.RawTBS, want.RawTBSRevocationList) {
					t.Errorf("%s, %s, %d entries: the to-be-signed bytes differ:\n%x\n%x",
						algorithm, name, n, got.RawTBS, want.RawTBSRevocationList)
				}
				if err := crl.Check(got, issuer.root, now, 0); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// standard is what crypto/x509 makes of the same.
func standard(t *testing.T, issuer *authority, tmpl crl.Template, entries []crl.Entry) *x509.RevocationList {
	t.Helper()
	list := &x509.RevocationList{
		Number: new(big.Int).SetUint64(tmpl.Number), ThisUpdate: tmpl.ThisUpdate, NextUpdate: tmpl.NextUpdate,
	}
	for _, e := range entries {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: e.Serial.Big(), RevocationTime: e.At, ReasonCode: int(e.Reason),
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer.root, issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestCreateRefuses(t *testing.T) {
	issuer := authorityOf(t, "P-256")
	now := time.Now()
	trouble := errors.New("the store is gone")
	yielding := func(e crl.Entry) func(func(crl.Entry) bool) error {
		return func(yield func(crl.Entry) bool) error { yield(e); return nil }
	}
	for name, change := range map[string]func(*crl.Template){
		"a nextUpdate before thisUpdate": func(c *crl.Template) { c.NextUpdate = c.ThisUpdate.Add(-time.Second) },
		"an entry without a time":        func(c *crl.Template) { c.Entries = yielding(crl.Entry{Serial: ca.Serial{1}}) },
		"removeFromCRL": func(c *crl.Template) {
			c.Entries = yielding(crl.Entry{Serial: ca.Serial{1}, At: now, Reason: ca.RemoveFromCRL})
		},
		"half the entries": func(c *crl.Template) {
			c.Entries = func(func(crl.Entry) bool) error { return trouble }
		},
	} {
		tmpl, _ := template(t, 1, now)
		change(&tmpl)
		if _, err := crl.Create(issuer.Issuer, tmpl); err == nil {
			t.Errorf("a CRL was made with %s", name)
		} else if name == "half the entries" && !errors.Is(err, trouble) {
			t.Errorf("%v does not wrap the cause", err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	issuer, other := authorityOf(t, "P-256"), authorityOf(t, "Ed25519")
	tmpl, _ := template(t, 2, now)
	der, err := crl.Create(issuer.Issuer, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	list, err := crl.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		issuer *x509.Certificate
		now    time.Time
		want   error
	}{
		"good":                {issuer.root, now, nil},
		"slow clock in slack": {issuer.root, now.Add(-time.Minute), nil},
		"from the future":     {issuer.root, now.Add(-time.Hour), crl.ErrNotYet},
		"run out":             {issuer.root, tmpl.NextUpdate, crl.ErrExpired},
		"another CA's":        {other.root, now, crl.ErrSignature},
	} {
		if err := crl.Check(list, c.issuer, c.now, 2*time.Minute); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	der[len(der)-1] ^= 1
	forged, err := crl.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := crl.CheckSignature(forged, issuer.root); !errors.Is(err, crl.ErrSignature) {
		t.Errorf("a forged signature: %v", err)
	}
}
