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
	// Card is the card's own (slot f9), signed by the maker's. Yubico gives all
	// cards of a batch the same one: which card it is, only Slot says.
	Card []byte

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

// Read reads what both certificates state, and verifies nothing: it is for
// showing an attestation that may prove nothing. An error is a *[StatementError].
func (a *Attestation) Read() (*Statement, error) {
	slot, err := a.slot()
	if err != nil {
		return nil, err
	}
	s, err := ReadStatement(slot)
	if err != nil {
		return nil, err
	}
	card, err := parseBounded(a.Card)
	if err != nil {
		return nil, err
	}
	s.readCard(card)
	return s, nil
}

// A Statement is what a verified attestation proves.
type Statement struct {
	Public      crypto.PublicKey
	Slot        Slot
	Serial      uint32 // the card's; 0 where it doesn't say
	Firmware    Version
	PINPolicy   PINPolicy
	TouchPolicy TouchPolicy
	FormFactor  byte // as in extension 41482.3.9, without its high bits
	// FIPS and CSPN are the certified series. SecurityKey is a series that has no PIV
	// application yet.
	FIPS, CSPN, SecurityKey bool
	// CardFirmware is the firmware that the card's own certificate is for; zero where
	// it doesn't say.
	CardFirmware Version
	// Root is the subject of the trusted root that the chain ends in.
	Root string
}
