package main

import (
	"bytes"
	"context"
	"crypto/x509"

	"signet/ca"
	"signet/piv"
)

// evidence is all that proves which card a certificate's key is in, as DER.
type evidence struct {
	Certificate certificate `json:"certificate"`
	// CA is the issuer's certificate, then the root's.
	CA [][]byte `json:"ca"`
	// Chain is the statement, the card's own certificate, the maker's CAs, the maker's root.
	Chain [][]byte `json:"chain"`
}

// certificateEvidence is evidence that was verified as of the certificate's issuance.
func (o *operator) certificateEvidence(ctx context.Context, in oneCert) (out evidence, err error) {
	c, err := o.showCertificate(ctx, in)
	if err != nil {
		return out, err
	}
	if c.Card == nil || len(c.Card.Attestation) != 2 {
		return out, badInputf("certificate %s was issued without an attestation", c.Serial)
	}
	a := &piv.Attestation{Slot: c.Card.Attestation[0], Card: c.Card.Attestation[1]}
	chain, err := o.pivRoots.Chain(a, c.IssuedAt)
	if err != nil {
		return out, badInputf("certificate %s: its attestation is not verified by the roots that are trusted now, and was by %q: %w; "+
			"[attestation] roots in the configuration adds roots", c.Serial, c.Card.Root, err)
	}
	if err := sameKey(&c.Certificate, chain[0]); err != nil {
		return out, err
	}
	return evidence{Certificate: c, CA: rawOf(o.chain), Chain: rawOf(chain)}, nil
}

// sameKey checks what was checked before the certificate was issued.
func sameKey(c *ca.Certificate, statement *x509.Certificate) error {
	cert, err := c.X509()
	if err != nil {
		return err
	}
	if !bytes.Equal(cert.RawSubjectPublicKeyInfo, statement.RawSubjectPublicKeyInfo) {
		return badInputf("certificate %s: the recorded attestation is of another key", c.Serial)
	}
	return nil
}

func rawOf(certs []*x509.Certificate) (out [][]byte) {
	for _, c := range certs {
		out = append(out, c.Raw)
	}
	return out
}
