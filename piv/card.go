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

	// SlotAttestation holds the card's own certificate, which signs attestations. It is
	// read, by [Card.Certificate], and nothing else.
	SlotAttestation Slot = 0xf9
)

// String is two hex digits: "9a".
func (s Slot) String() string { return fmt.Sprintf("%02x", byte(s)) }

// What a card answers beside success. Errors of a Card wrap one of these where
// it fits.
var (
	ErrNoService = errors.New("the smart card service (pcscd) is not running")
	// ErrNotAllowed is pcscd, or polkit for it, that lets only whoever sits at the computer use cards.
	ErrNotAllowed = errors.New("the smart card service (pcscd) does not let this session use cards")
	ErrNoCard     = errors.New("no YubiKey found")
	ErrRemoved    = errors.New("the card was pulled out")
	ErrOtherCard  = errors.New("the card was changed for another one")
	ErrInUse      = errors.New("another program holds the card")
	ErrPINBlocked = errors.New("the PIN is blocked")
	ErrPUKBlocked = errors.New("the PUK is blocked")
	// ErrRefused is a new PIN or PUK that the card has rules of its own against.
	ErrRefused     = errors.New("the card does not take this as its new PIN or PUK")
	ErrNotTouched  = errors.New("the card was not touched in time")
	ErrEmpty       = errors.New("the slot is empty")
	ErrManagement  = errors.New("the card does not accept this management key")
	ErrFull        = errors.New("there is no room for it on the card")
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
	// Shape is the same as in [Statement.FormFactor], 0 where not known; FIPS is what the
	// card tells beside it.
	Shape byte `json:"-"`
	FIPS  bool `json:"fips,omitempty"`
	// HeldBy says who has the card, where another program does; then nothing
	// but the reader is known.
	HeldBy string `json:"held_by,omitempty"`
}

// Management is what a card tells of its management key without a PIN.
type Management struct {
	Algorithm string `json:"algorithm"` // "3DES", "AES-128", "AES-192", "AES-256"
	// Factory: the card takes the key that it left the factory with.
	Factory bool `json:"factory"`
	// Protected: the card says that it keeps the key under its PIN. Derived: that the key
	// is made of the PIN, as Yubico's programs once had it.
	Protected bool `json:"protected"`
	Derived   bool `json:"derived,omitempty"`
}

// FactorySecrets tells whether a card's PIN and PUK are those that it left the factory with.
type FactorySecrets struct {
	PIN   bool `json:"pin"`
	PUK   bool `json:"puk"`
	Known bool `json:"known"` // whether the card tells: YubiKeys from 5.3 on
}

// Identifiers are the objects that tell an operating system's own programs of a card:
// Windows and macOS look for them.
type Identifiers struct {
	CHUID bool   `json:"chuid"`
	GUID  string `json:"guid,omitempty"` // in the CHUID
	CCC   bool   `json:"ccc"`
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

// A Card is one PIV card, held open. It is not safe for concurrent use. Where the card
// is changed for another one, each method fails with ErrRemoved or ErrOtherCard.
//
// Methods that wait for a person's touch say so; whoever calls them tells the
// person first. The context ends the wait, not what the card is doing.
type Card interface {
	Info() Info
	// PINTries is how many PIN tries are left. Before firmware 5.3 it must be read before
	// the PIN is verified.
	PINTries(ctx context.Context) (int, error)
	// PUKTries is how many PUK tries are left, where the card tells: from 5.3 on.
	PUKTries(ctx context.Context) (left int, known bool, err error)
	// VerifyPIN spends a try where the PIN is wrong: *WrongPINError, ErrPINBlocked.
	VerifyPIN(ctx context.Context, pin string) error
	// ChangePIN and ChangePUK spend a try where the old one is wrong: ErrRefused where the
	// new one is not to the card's liking.
	ChangePIN(ctx context.Context, old, new string) error
	ChangePUK(ctx context.Context, old, new string) error
	// UnblockPIN sets a new PIN by the PUK, and spends a PUK try where that is wrong.
	UnblockPIN(ctx context.Context, puk, new string) error
	// FactorySecrets tells whether PIN and PUK are the factory's, without trying them.
	FactorySecrets(ctx context.Context) (FactorySecrets, error)
	// SetRetries sets how often a wrong PIN and a wrong PUK may be given, 1 to 255.
	// The card has the factory's PIN and PUK after that: who calls this replaces both
	// right away. It wants UseManagementKey first.
	SetRetries(ctx context.Context, pin string, pinTries, pukTries int) error

	// Management tells of the management key, without a PIN.
	Management(ctx context.Context) (Management, error)
	// FactoryManagementKey reports whether the card takes the management key it
	// left the factory with. It costs nothing: management keys have no counter.
	FactoryManagementKey(ctx context.Context) (bool, error)
	// NewManagementKey replaces the management key by a random one of the card's
	// own kind, which the card keeps under its PIN, where Yubico's programs find it
	// too. The store on the card comes first, so that a card pulled out between
	// any two steps is not locked out.
	// The PIN must be right and the present key the factory's: ErrManagement where not.
	NewManagementKey(ctx context.Context, pin string) error
	// UseManagementKey finds the management key kept under the PIN, or
	// the factory's, and checks that the card takes it: ErrManagement where not.
	// What is kept and not said to be, for Yubico's programs, is said from then on.
	UseManagementKey(ctx context.Context, pin string) error

	// Identifiers tells which of CHUID and CCC the card has.
	Identifiers(ctx context.Context) (Identifiers, error)
	// SetIdentifiers writes those that are missing, with random numbers in them, and
	// leaves the others. It wants UseManagementKey first.
	SetIdentifiers(ctx context.Context) error
	// SetKeyHistory has the card say that the retired slots up to that one have
	// certificates, without which other programs don't look there. One that says more stays
	// as it is. It wants UseManagementKey first.
	SetKeyHistory(ctx context.Context, last Slot) error

	// Key tells of the key in a slot: ErrEmpty where there is none.
	Key(ctx context.Context, s Slot) (Key, error)
	// Generate makes a new key in a slot, destroying the one there. It wants
	// UseManagementKey first.
	Generate(ctx context.Context, s Slot, spec KeySpec) (crypto.PublicKey, error)
	// Attest has the card state that it generated the key in the slot.
	Attest(ctx context.Context, s Slot) (*Attestation, error)
	// Certificate reads a slot's certificate: ErrEmpty where there is none.
	Certificate(ctx context.Context, s Slot) (*x509.Certificate, error)
	// SetCertificate writes one, compressed where the card doesn't take it otherwise:
	// ErrFull where it doesn't even so. It wants UseManagementKey first.
	SetCertificate(ctx context.Context, s Slot, cert *x509.Certificate) error
	// DeleteCertificate leaves the slot without one. It wants UseManagementKey first.
	DeleteCertificate(ctx context.Context, s Slot) error
	// DeleteKey and MoveKey take away a slot's key: ErrUnsupported before firmware 5.7,
	// ErrEmpty where there is none. A key is moved only to an empty slot, and its
	// certificate stays behind. They want UseManagementKey first.
	DeleteKey(ctx context.Context, s Slot) error
	MoveKey(ctx context.Context, from, to Slot) error
	// Signer signs with the slot's key. pin is verified when the key's policy
	// wants it. Sign may wait for a touch.
	Signer(s Slot, key Key, pin string) (crypto.Signer, error)

	// Reset makes the card as new, destroying its keys, certificates and PINs.
	Reset(ctx context.Context) error
	// Logout makes the card forget the PIN and the management key, until they are next
	// presented.
	Logout(ctx context.Context) error
	// Close lets go of the card, which forgets the PIN and the management key.
	Close() error
}
