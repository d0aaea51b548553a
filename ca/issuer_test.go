package ca_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
)

func tbsCertList(t *testing.T, i *ca.Issuer) []byte {
	t.Helper()
	return marshal(t, struct {
		Version    int
		Signature  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		ThisUpdate time.Time
		NextUpdate time.Time
	}{1, i.CRLSignatureAlgorithm(), asn1.RawValue{FullBytes: i.Certificate().RawSubject}, now().UTC(), now().Add(time.Hour).UTC()})
}

func TestSignCRL(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		h := hierarchy(t, "P-256", algorithm)
		i, err := h.Issuer()
		if err != nil {
			t.Fatal(err)
		}
		tbs := tbsCertList(t, i)
		sig, err := i.SignCRL(tbs)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(marshal(t, struct {
			TBS       asn1.RawValue
			Algorithm pkix.AlgorithmIdentifier
			Signature asn1.BitString
		}{asn1.RawValue{FullBytes: tbs}, i.CRLSignatureAlgorithm(), asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}}))
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(h.Intermediate); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// SignCRL can't be made to sign a certificate, or another issuer's list.
func TestSignCRLRefuses(t *testing.T) {
	h := catest.New(t)
	leaf, err := h.Issue(t, "alice", catest.Key(t), now()).X509()
	if err != nil {
		t.Fatal(err)
	}
	good := tbsCertList(t, h.Issuer)
	for name, tbs := range map[string][]byte{
		"nothing":        nil,
		"a certificate":  leaf.RawTBSCertificate,
		"another's list": tbsCertList(t, h.RootIssuer),
		"trailing bytes": append(bytes.Clone(good), 0),
		"cut off":        good[:len(good)-1],
		"version 1":      marshal(t, []*big.Int{big.NewInt(0)}),
	} {
		if sig, err := h.Issuer.SignCRL(tbs); err == nil || sig != nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestChain(t *testing.T) {
	h := catest.New(t)
	if c := h.Issuer.Chain(); len(c) != 1 || c[0] != h.Intermediate || h.Issuer.Root() != h.Root {
		t.Errorf("chain of the intermediate: %d certificates", len(c))
	}
	if c := h.RootIssuer.Chain(); len(c) != 0 || h.RootIssuer.Root() != h.Root {
		t.Errorf("chain of the root: %d certificates", len(c))
	}
	if h.Issuer.ID() != ca.IssuerID(h.Intermediate) || h.Issuer.ID() == h.RootIssuer.ID() || len(h.Issuer.ID()) != 16 {
		t.Errorf("IDs %s, %s", h.Issuer.ID(), h.RootIssuer.ID())
	}
}
