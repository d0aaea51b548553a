package enroll

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"

	"signet/ca"
	"signet/piv"
)

// admit refuses a key that is not what the plan wants. The policies are least
// ones: a key that asks for more than the plan is let in.
func (p *Plan) admit(s *piv.Statement) error {
	switch {
	case s.Slot != p.Slot:
		return refusef("attestation.slot", "the key is in slot %s, the profile wants %s", s.Slot, p.Slot)
	case s.PINPolicy < p.PINPolicy || s.PINPolicy > piv.PINAlways:
		return refusef("attestation.pin-policy", "the key's PIN policy is %s, the profile wants %s", s.PINPolicy, p.PINPolicy)
	case touchRank(s.TouchPolicy) < touchRank(p.TouchPolicy):
		return refusef("attestation.touch-policy", "the key's touch policy is %s, the profile wants %s", s.TouchPolicy, p.TouchPolicy)
	case s.Firmware.Less(p.MinFirmware):
		return refusef("attestation.firmware", "the card's firmware is %s, the profile wants %s or newer", s.Firmware, p.MinFirmware)
	case strings.HasPrefix(ca.KeyAlgorithm(s.Public), "RSA-") && makesWeakRSA(s.Firmware):
		// CVE-2017-15361, also called ROCA.
		return refusef("attestation.roca", "cards with firmware %s make RSA keys that can be factored", s.Firmware)
	case p.FIPS && !s.FIPS:
		return refuse("attestation.fips", "the card is not of the FIPS series")
	case len(p.FormFactors) > 0 && !slices.Contains(p.FormFactors, s.FormFactor):
		return refuse("attestation.form-factor", "the profile does not let in cards of this shape")
	case len(p.CardSerials) > 0 && !slices.Contains(p.CardSerials, s.Serial):
		return refusef("attestation.card", "the profile does not let in the card %d", s.Serial)
	}
	return nil
}

// touchRank orders touch policies by how much they ask: the card's own numbers
// have cached above always.
func touchRank(t piv.TouchPolicy) int {
	return slices.Index([]piv.TouchPolicy{piv.TouchNever, piv.TouchCached, piv.TouchAlways}, t)
}

// makesWeakRSA reports whether firmware v has Infineon's flaw: 4.2.0 to 4.3.4
// (https://www.yubico.com/support/security-advisories/ysa-2017-01/).
func makesWeakRSA(v piv.Version) bool {
	return !v.Less(piv.Version{4, 2, 0}) && v.Less(piv.Version{4, 3, 5})
}

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
	s.proved = &Card{Serial: statement.Serial, Firmware: s.card.Firmware, FormFactor: s.card.FormFactor, FIPS: statement.FIPS}
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
		FormFactor: FormFactorName(s.FormFactor), Attestation: [][]byte{a.Slot, a.Card},
	}
}
