package piv

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"time"
)

// maxCertificate bounds a certificate of an attestation, in bytes: an object
// on a card holds 3,052.
const maxCertificate = 4096

// Verify checks the attestation at the time now and returns what it proves:
// that the key was generated in that slot of that card. It proves nothing of
// who has the card or when it spoke; a nonce must do that. An error is a
// *[StatementError].
//
// The chain is the slot's certificate, the card's own (f9), a PIV issuer of Yubico's
// or a root given to [NewRoots]. Only the first two come from the client, so
// that a slot's own statement can never act as a CA above another.
func (r *Roots) Verify(a *Attestation, now time.Time) (*Statement, error) {
	if a == nil {
		return nil, refuse(RuleForm, "there is no attestation")
	}
	slot, err := a.slot()
	if err != nil {
		return nil, err
	}
	card, err := r.card(a.Card, now)
	if err != nil {
		return nil, err
	}
	if err := signedBy(slot, card.cert); err != nil {
		return nil, err
	}
	if err := current(slot, now); err != nil {
		return nil, err
	}
	s, err := ReadStatement(slot)
	if err != nil {
		return nil, err
	}
	s.readCard(card.cert)
	if err := s.matches(); err != nil {
		return nil, err
	}
	s.Root = card.root
	return s, nil
}

// Chain verifies as Verify does, and returns the certificates that the proof
// rests on: the slot's, the card's own, the issuers above it, the root.
func (r *Roots) Chain(a *Attestation, now time.Time) ([]*x509.Certificate, error) {
	if _, err := r.Verify(a, now); err != nil {
		return nil, err
	}
	slot, err := a.slot()
	if err != nil {
		return nil, err
	}
	card, err := r.card(a.Card, now)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{slot}, card.chain...), nil
}

func bounded(der []byte) error {
	if len(der) == 0 || len(der) > maxCertificate {
		return refuse(RuleForm, "an attestation certificate has %d bytes, not 1 to %d", len(der), maxCertificate)
	}
	return nil
}

func parseBounded(der []byte) (*x509.Certificate, error) {
	if err := bounded(der); err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refuse(RuleForm, "an attestation certificate is malformed: %v", err)
	}
	return c, nil
}

// card verifies a card's certificate, or remembers that it did.
func (r *Roots) card(der []byte, now time.Time) (*verifiedCard, error) {
	id := sha256.Sum256(der)
	r.mu.Lock()
	known := r.cards[id]
	r.mu.Unlock()
	if known != nil && !now.Before(known.since) && !now.After(known.until) {
		return known, nil
	}
	cert, err := parseBounded(bytes.Clone(der)) // it outlives the request that der is part of
	if err != nil {
		return nil, err
	}
	v, err := r.verifyCard(cert, now)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cards) >= maxCards {
		clear(r.cards)
	}
	r.cards[id] = v
	return v, nil
}

// verifyCard builds the chains above a card's certificate and takes the first
// that a PIV issuer begins.
func (r *Roots) verifyCard(cert *x509.Certificate, now time.Time) (*verifiedCard, error) {
	if err := current(cert, now); err != nil {
		return nil, err
	}
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots:         r.anchors,
		Intermediates: r.intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, refuseChain(cert, err)
	}
	err = refuse(RuleIssuer, "the card's certificate is none that a PIV issuer signs: %s signed it", cert.Issuer)
	for _, chain := range chains {
		// chain[0] is the card's own: where it is an anchor itself, nobody vouches for it.
		if len(chain) < 2 {
			continue
		}
		yubico, ok := r.issuers[sha256.Sum256(chain[1].Raw)]
		if !ok {
			continue
		}
		if err = mayState(cert, yubico); err == nil {
			return verified(chain), nil
		}
	}
	return nil, err
}

func refuseChain(cert *x509.Certificate, err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return refuse(RuleDates, "a certificate above the card's has expired")
	}
	return refuse(RuleRoot, "the card's certificate leads to no trusted root: %s signed it", cert.Issuer)
}

// mayState reports whether the card's certificate may sign statements: it must
// be a CA. Some YubiKey 4 have one without BasicConstraints, against RFC
// 5280, Section 4.2.1.9; those are forgiven directly under a Yubico issuer.
func mayState(card *x509.Certificate, yubico bool) error {
	switch {
	case card.BasicConstraintsValid && card.IsCA:
		return nil
	case !card.BasicConstraintsValid && yubico && card.Subject.CommonName == "Yubico PIV Attestation":
		return nil
	}
	return refuse(RuleForm, "the certificate above the slot's is no card's own: it is not a CA")
}

func verified(chain []*x509.Certificate) *verifiedCard {
	v := &verifiedCard{cert: chain[0], chain: chain, root: chain[len(chain)-1].Subject.String(),
		since: chain[0].NotBefore, until: chain[0].NotAfter}
	for _, c := range chain[1:] {
		if c.NotBefore.After(v.since) {
			v.since = c.NotBefore
		}
		if c.NotAfter.Before(v.until) {
			v.until = c.NotAfter
		}
	}
	return v
}

// signedBy checks that card signed slot. x509's own check is of no use: it
// wants the BasicConstraints that are forgiven above.
func signedBy(slot, card *x509.Certificate) error {
	if !bytes.Equal(slot.RawIssuer, card.RawSubject) {
		return refuse(RuleSignature, "the card's certificate is not the issuer of the slot's")
	}
	switch slot.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
	default:
		return refuse(RuleSignature, "the attestation is signed with %s, which is not accepted", slot.SignatureAlgorithm)
	}
	if err := card.CheckSignature(slot.SignatureAlgorithm, slot.RawTBSCertificate, slot.Signature); err != nil {
		return refuse(RuleSignature, "the card's certificate did not sign the slot's")
	}
	if slot.IsCA || len(slot.UnhandledCriticalExtensions) > 0 {
		return refuse(RuleForm, "the slot's certificate is none that a card makes")
	}
	return nil
}

func current(c *x509.Certificate, now time.Time) error {
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return refuse(RuleDates, "an attestation certificate holds from %s to %s only",
			c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	}
	return nil
}
