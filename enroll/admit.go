package enroll

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"signet/ca"
	"signet/piv"
)

// evidence finds the attestation that goes with the submission: in its CSR, or,
// where the holder of a certificate in force renews it with the same key, the
// one on file, which proves the same thing of the same key.
func (e *Enroller) evidence(ctx context.Context, s *submitted) (*piv.Attestation, error) {
	a, err := piv.AttestationFromCSR(s.csr)
	if err == nil || !errors.Is(err, piv.ErrNoAttestation) || s.id.Certificate == nil {
		return a, err
	}
	if a := onFile(s.id.Certificate, s.keyID); a != nil {
		return a, nil
	}
	// A companion's key: the certificate that is renewed is another one of the account's.
	certs, err := e.store.CertificatesOf(ctx, s.id.Account.Name, maxListed)
	if err != nil {
		return nil, fmt.Errorf("listing certificates: %w", err)
	}
	for i := range certs {
		if a := onFile(&certs[i], s.keyID); a != nil && statusOf(&certs[i], s.at) == StatusGood {
			return a, nil
		}
	}
	return nil, piv.ErrNoAttestation
}

// onFile is the attestation with which c was issued, nil where c is for another key.
func onFile(c *ca.Certificate, keyID [32]byte) *piv.Attestation {
	if c.KeyID != keyID || c.Card == nil || len(c.Card.Attestation) != 2 {
		return nil
	}
	return &piv.Attestation{Slot: c.Card.Attestation[0], Card: c.Card.Attestation[1]}
}

// checkCard verifies the attestation as the profile wants it and fills in s.card.
func (e *Enroller) checkCard(ctx context.Context, s *submitted, roots *piv.Roots) error {
	plan := &s.profile.Plan
	if plan.Attestation == AttestationNone {
		return nil
	}
	a, err := e.evidence(ctx, s)
	if errors.Is(err, piv.ErrNoAttestation) {
		if plan.Attestation == AttestationRequired {
			return refuse("attestation.missing", "the CSR carries no attestation, and the profile wants one")
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the attestation: %w", err)
	}
	statement, err := roots.Verify(a, s.at)
	if err != nil {
		return fmt.Errorf("verifying the attestation: %w", err)
	}
	if !samePublicKey(statement.Public, s.csr.PublicKey) {
		return refuse("attestation.key", "the attestation is of another key than the CSR's")
	}
	if err := plan.admit(statement); err != nil {
		return err
	}
	s.card = cardOf(statement, a)
	if statement.Serial == 0 { // a card that doesn't tell
		return nil
	}
	s.proved = &Card{Serial: statement.Serial, Firmware: s.card.Firmware, FormFactor: s.card.FormFactor, FIPS: statement.FIPS, CSPN: statement.CSPN}
	return nil
}

func samePublicKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return false
	}
	return key.Equal(b)
}

func cardOf(s *piv.Statement, a *piv.Attestation) *ca.Card {
	return &ca.Card{
		Serial: s.Serial, Firmware: s.Firmware.String(), Slot: s.Slot.String(),
		PINPolicy: s.PINPolicy.String(), TouchPolicy: s.TouchPolicy.String(),
		FormFactor: FormFactorName(s.FormFactor), FIPS: s.FIPS, CSPN: s.CSPN, Root: s.Root, Attestation: [][]byte{a.Slot, a.Card},
	}
}
