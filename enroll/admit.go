package enroll

import (
	"crypto"
	"errors"
	"fmt"

	"signet/ca"
	"signet/piv"
)

// evidence finds the attestation that goes with the submission: in its CSR, or,
// where the holder of a certificate in force renews it with the same key, the
// one on file, which proves the same thing of the same key.
func (s *submitted) evidence() (*piv.Attestation, error) {
	a, err := piv.AttestationFromCSR(s.csr)
	if err == nil || !errors.Is(err, piv.ErrNoAttestation) {
		return a, err
	}
	if c := s.id.Certificate; c != nil && c.KeyID == s.keyID && c.Card != nil && len(c.Card.Attestation) == 2 {
		return &piv.Attestation{Slot: c.Card.Attestation[0], Card: c.Card.Attestation[1]}, nil
	}
	return nil, piv.ErrNoAttestation
}

// checkCard verifies the attestation as the profile wants it and fills in s.card.
func (s *submitted) checkCard(roots *piv.Roots) error {
	plan := &s.profile.Plan
	if plan.Attestation == AttestationNone {
		return nil
	}
	a, err := s.evidence()
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
