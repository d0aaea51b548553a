package crl_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"signet/revocation/crl"
)

// extension is critical and below id-ce (2.5.29).
func extension(last int, value []byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, last}, Critical: true, Value: value}
}

func TestBundle(t *testing.T) {
	tmpl, _ := template(t, 3, time.Now())
	a, err := crl.Create(authorityOf(t, "P-256").Issuer, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	b, err := crl.Create(authorityOf(t, "Ed25519").Issuer, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	text := crl.EncodePEM(a, b)
	ders, err := crl.Split(text)
	if err != nil || len(ders) != 2 || !bytes.Equal(ders[0], a) || !bytes.Equal(ders[1], b) {
		t.Fatalf("split into %d with error %v", len(ders), err)
	}
	if ders, err := crl.Split(a); err != nil || len(ders) != 1 || !bytes.Equal(ders[0], a) {
		t.Errorf("DER: split into %d with error %v", len(ders), err)
	}
	for name, bad := range map[string][]byte{
		"nothing":        nil,
		"half of PEM":    text[:len(text)/2],
		"a broken line":  bytes.Replace(text, []byte("\nM"), []byte("\n*"), 1),
		"a web page":     []byte("<!DOCTYPE html><html></html>"),
		"a certificate":  append([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), text...),
		"a great number": bytes.Repeat(text, 40),
	} {
		if _, err := crl.Split(bad); !errors.Is(err, crl.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := crl.Parse(a[:len(a)-5]); !errors.Is(err, crl.ErrMalformed) {
		t.Errorf("half of DER: %v", err)
	}
	if _, err := crl.Parse(append(a[:len(a):len(a)], 0)); !errors.Is(err, crl.ErrMalformed) {
		t.Errorf("DER and more: %v", err)
	}
}

// FuzzSplit: what a relying server downloads is anybody's.
func FuzzSplit(f *testing.F) {
	tmpl, _ := template(f, 2, time.Now())
	der, err := crl.Create(authorityOf(f, "P-256").Issuer, tmpl)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(crl.EncodePEM(der, der))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ders, err := crl.Split(data)
		if err != nil {
			return
		}
		for _, der := range ders {
			if list, err := crl.Parse(der); err == nil && !bytes.Equal(list.Raw, der) {
				t.Error("a CRL was parsed that is not all of the data")
			}
		}
	})
}
