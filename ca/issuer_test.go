package ca_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
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

// signList has i sign tbs, written in pieces of n octets.
func signList(i *ca.Issuer, tbs []byte, n int) ([]byte, error) {
	s := i.BeginCRL()
	for piece := range slices.Chunk(tbs, n) {
		if _, err := s.Write(piece); err != nil {
			return nil, err
		}
	}
	sig, err := s.Sign(bytes.NewReader(tbs))
	if err == nil && len(sig) > s.MaxLen() {
		err = fmt.Errorf("a signature of %d octets, and %d were said to be the most", len(sig), s.MaxLen())
	}
	return sig, err
}

func TestSignCRL(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		h := hierarchy(t, "P-256", algorithm)
		i, err := h.Issuer()
		if err != nil {
			t.Fatal(err)
		}
		tbs := tbsCertList(t, i)
		for _, n := range []int{1, 7, len(tbs)} {
			if _, err := signList(i, tbs, n); err != nil {
				t.Errorf("%s, by pieces of %d: %v", algorithm, n, err)
			}
		}
		sig, err := signList(i, tbs, 100)
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
		"a certificate of version 1": marshal(t, struct {
			Serial    int // where a list has its version
			Algorithm pkix.AlgorithmIdentifier
			Issuer    asn1.RawValue
			Validity  struct{ NotBefore, NotAfter time.Time }
			Subject   asn1.RawValue
			Key       asn1.RawValue
		}{1, h.Issuer.CRLSignatureAlgorithm(), asn1.RawValue{FullBytes: h.Intermediate.RawSubject},
			struct{ NotBefore, NotAfter time.Time }{now().UTC(), now().Add(time.Hour).UTC()},
			asn1.RawValue{FullBytes: leaf.RawSubject}, asn1.RawValue{FullBytes: leaf.RawSubjectPublicKeyInfo}}),
	} {
		for _, n := range []int{1, 64, 10_000} {
			if sig, err := signList(h.Issuer, tbs, n); err == nil || sig != nil {
				t.Errorf("%s: signed", name)
			}
		}
	}
}

// An Ed25519 key signs what it reads again, which must be the same kind of thing.
func TestSignCRLReadsAgainAndChecksAgain(t *testing.T) {
	h := hierarchy(t, "P-256", "Ed25519")
	i, err := h.Issuer()
	if err != nil {
		t.Fatal(err)
	}
	good := tbsCertList(t, i)
	other := bytes.Replace(good, []byte{2, 1, 1, 0x30}, []byte{2, 1, 0, 0x30}, 1)
	for name, again := range map[string][]byte{"another version": other, "half": good[:len(good)/2]} {
		s := i.BeginCRL()
		if _, err := s.Write(good); err != nil {
			t.Fatal(err)
		}
		if sig, err := s.Sign(bytes.NewReader(again)); err == nil || sig != nil {
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
