package piv

import (
	"bytes"
	"crypto"
	"crypto/x509"
)

// An Attestation is a card's evidence that it generated a key: two certificates,
// DER, not verified.
type Attestation struct {
	Slot []byte // of the slot's key, signed by the card's own
	Card []byte // the card's own (slot f9), signed by the maker's

	// parsed is Slot where somebody has parsed it already.
	parsed *x509.Certificate
}

// slot parses Slot, once if it stays what it is.
func (a *Attestation) slot() (*x509.Certificate, error) {
	if a.parsed != nil && bytes.Equal(a.parsed.Raw, a.Slot) {
		return a.parsed, nil
	}
	return parseBounded(a.Slot)
}

// A Statement is what a verified attestation proves.
type Statement struct {
	Public      crypto.PublicKey
	Slot        Slot
	Serial      uint32 // the card's; 0 where it doesn't say
	Firmware    Version
	PINPolicy   PINPolicy
	TouchPolicy TouchPolicy
	FormFactor  byte // as in extension 41482.3.9, without the FIPS and CSPN bits
	FIPS, CSPN  bool
	// Root is the subject of the trusted root that the chain ends in.
	Root string
}
