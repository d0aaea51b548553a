// Package piv says what Signet needs of a PIV card (NIST SP 800-73-4) and reads
// what a card proves of itself.
//
// A [Card] is the hardware; piv/yubikey drives a real one. A [Slot] is a key
// reference on it. An [Attestation] is the evidence a YubiKey gives of a key,
// a [Statement] what it proves once verified. This package is pure Go: the
// CA server verifies attestations and never links a card library.
package piv

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
)

// A Slot is a PIV key reference, as it stands in P2 of a command.
type Slot byte

// The slots of NIST SP 800-73-4, Part 1, Table 4b, but for the retired ones,
// which are 0x82 to 0x95.
const (
	SlotAuthentication     Slot = 0x9a
	SlotSignature          Slot = 0x9c
	SlotKeyManagement      Slot = 0x9d
	SlotCardAuthentication Slot = 0x9e
)

// String is two hex digits: "9a".
func (s Slot) String() string { return fmt.Sprintf("%02x", byte(s)) }

// What a card answers beside success. Errors of a Card wrap one of these where
// it fits.
var (
	ErrNoService   = errors.New("the smart card service (pcscd) is not running")
	ErrNoCard      = errors.New("no YubiKey found")
	ErrRemoved     = errors.New("the card was pulled out")
	ErrInUse       = errors.New("another program holds the card")
	ErrPINBlocked  = errors.New("the PIN is blocked")
	ErrPUKBlocked  = errors.New("the PUK is blocked")
	ErrNotTouched  = errors.New("the card was not touched in time")
	ErrEmpty       = errors.New("the slot is empty")
	ErrManagement  = errors.New("the card does not accept this management key")
	ErrUnsupported = errors.New("the card can't do this")
	// ErrNoSupport is a program built without cgo.
	ErrNoSupport = errors.New("this build of signet has no card support")
)

// A SeveralError is that no card was named and there are several.
type SeveralError struct{ Cards []Info }

func (e *SeveralError) Error() string {
	return fmt.Sprintf("there are %d cards: name one by its serial number", len(e.Cards))
}

// A WrongPINError is a PIN or PUK that the card refused.
type WrongPINError struct {
	What  string // "PIN" or "PUK"
	Tries int    // how many are left
}

func (e *WrongPINError) Error() string {
	tries := "tries"
	if e.Tries == 1 {
		tries = "try"
	}
	return fmt.Sprintf("wrong %s: %d %s left", e.What, e.Tries, tries)
}

// Info is what a card tells of itself without a PIN.
type Info struct {
	Reader     string  `json:"reader"`
	Serial     uint32  `json:"serial,omitempty"`
	Firmware   Version `json:"firmware,omitzero"`
	FormFactor string  `json:"form_factor,omitempty"` // "USB-A Keychain", "" where not known
	// HeldBy says who has the card, where another program does; then nothing
	// but the reader is known.
	HeldBy string `json:"held_by,omitempty"`
}

// A Key is what a slot holds.
type Key struct {
	Public      crypto.PublicKey
	Algorithm   Algorithm
	PINPolicy   PINPolicy
	TouchPolicy TouchPolicy
	Generated   bool // on the card, not imported
}

// KeySpec is a key to be generated.
type KeySpec struct {
	Algorithm   Algorithm
	PINPolicy   PINPolicy
	TouchPolicy TouchPolicy
}

// A Card is one PIV card, held open. It is not safe for concurrent use.
//
// Methods that wait for a person's touch say so; whoever calls them tells the
// person first. The context ends the wait, not what the card is doing.
type Card interface {
	Info() Info
	// PINTries is how many PIN tries are left; it must be read before the PIN is verified.
	PINTries(ctx context.Context) (int, error)
	// VerifyPIN spends a try where the PIN is wrong: *WrongPINError, ErrPINBlocked.
	VerifyPIN(ctx context.Context, pin string) error
	// ChangePIN and ChangePUK spend a try where the old one is wrong.
	ChangePIN(ctx context.Context, old, new string) error
	ChangePUK(ctx context.Context, old, new string) error
	// UnblockPIN sets a new PIN by the PUK, and spends a PUK try where that is wrong.
	UnblockPIN(ctx context.Context, puk, new string) error
	// FactoryManagementKey reports whether the card takes the management key it
	// left the factory with. It costs nothing: management keys have no counter.
	FactoryManagementKey(ctx context.Context) (bool, error)
	// NewManagementKey replaces the management key by a random one of the card's
	// own kind, which the card keeps under its PIN. The store on the card comes
	// first, so that a card pulled out between the two steps is not locked out.
	// The PIN must be right and the present key the factory's: ErrManagement where not.
	NewManagementKey(ctx context.Context, pin string) error
	// UseManagementKey finds the management key kept under the PIN, or
	// the factory's, and checks that the card takes it: ErrManagement where not.
	UseManagementKey(ctx context.Context, pin string) error

	// Key tells of the key in a slot: ErrEmpty where there is none.
	Key(ctx context.Context, s Slot) (Key, error)
	// Generate makes a new key in a slot, destroying the one there. It wants
	// UseManagementKey first.
	Generate(ctx context.Context, s Slot, spec KeySpec) (crypto.PublicKey, error)
	// Attest has the card state that it generated the key in the slot.
	Attest(ctx context.Context, s Slot) (*Attestation, error)
	// Certificate reads a slot's certificate: ErrEmpty where there is none.
	Certificate(ctx context.Context, s Slot) (*x509.Certificate, error)
	// SetCertificate writes one. It wants UseManagementKey first.
	SetCertificate(ctx context.Context, s Slot, cert *x509.Certificate) error
	// Signer signs with the slot's key. pin is verified when the key's policy
	// wants it. Sign may wait for a touch.
	Signer(s Slot, key Key, pin string) (crypto.Signer, error)

	// Reset makes the card as new, destroying its keys, certificates and PINs.
	Reset(ctx context.Context) error
	Close() error
}
