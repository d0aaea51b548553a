package enroll

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// A PUK that Signet makes has 8 characters, as many as a card takes, of 32: letters
// and digits that are not misread, since an officer may have to read it out. 40 bits
// are plenty for a secret that a card gives a few tries.
const (
	pukLength   = 8
	pukAlphabet = "abcdefghjkmnopqrstuvwxyz23456789"
)

// NewPUK draws a PUK. The alphabet's length divides 256: no character is likelier.
func NewPUK() string {
	var draw [pukLength]byte
	_, _ = rand.Read(draw[:]) // it never fails (crypto/rand)
	for i, b := range draw {
		draw[i] = pukAlphabet[int(b)%len(pukAlphabet)]
	}
	return string(draw[:])
}

// A SealedPUK is a card's PUK that the CA's escrow key alone opens, for that card
// alone: a version (1), the first 8 bytes of the escrow key's SHA-256, HPKE's
// encapsulated key (32 bytes), and the ciphertext (8 bytes and a tag of 16).
// HPKE (RFC 9180) is with X25519, HKDF-SHA256 and AES-256-GCM; the card's serial
// number, in decimal, is the additional data.
type SealedPUK []byte

const (
	sealedVersion = 1
	keyIDLength   = 8
	encLength     = 32
	sealedLength  = 1 + keyIDLength + encLength + pukLength + 16
)

// sealingInfo is HPKE's info: it keeps this use of the key apart from any other.
const sealingInfo = "signet puk escrow v1"

// What may be wrong with a sealed PUK.
var (
	// ErrSealed is one that has not the form, is damaged or is for another card.
	ErrSealed = errors.New("the sealed PUK can't be opened: it is damaged, or another card's")
	// ErrEscrowKey is one that another escrow key opens.
	ErrEscrowKey = errors.New("the PUK is sealed to another escrow key than this CA's")
)

// ParseSealedPUK checks the form of p, as far as it can be known without the key.
func ParseSealedPUK(p []byte) (SealedPUK, error) {
	if len(p) != sealedLength || p[0] != sealedVersion {
		return nil, ErrSealed
	}
	return SealedPUK(p), nil
}

// ID names this very sealing, so that a client can speak of it: 32 hex digits.
func (s SealedPUK) ID() string {
	sum := sha256.Sum256(s)
	return hex.EncodeToString(sum[:16])
}

// KeyID is that of the key that it is sealed to, as [EscrowPublic.ID].
func (s SealedPUK) KeyID() string { return hex.EncodeToString(s.keyID()) }

// keyID is nil for one that has not its form.
func (s SealedPUK) keyID() []byte {
	if len(s) != sealedLength {
		return nil
	}
	return s[1 : 1+keyIDLength]
}

// An EscrowPublic seals PUKs. It is not secret: offers carry it.
type EscrowPublic struct{ key hpke.PublicKey }

// ParseEscrowPublic reads the 32 bytes of an X25519 public key.
func ParseEscrowPublic(p []byte) (*EscrowPublic, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(p)
	if err != nil {
		return nil, fmt.Errorf("reading the CA's escrow key: %w", err)
	}
	return &EscrowPublic{key}, nil
}

// Bytes are what ParseEscrowPublic reads.
func (k *EscrowPublic) Bytes() []byte { return k.key.Bytes() }

func (k *EscrowPublic) id() []byte {
	sum := sha256.Sum256(k.key.Bytes())
	return sum[:keyIDLength]
}

// ID names the key, for people: 16 hex digits.
func (k *EscrowPublic) ID() string { return hex.EncodeToString(k.id()) }

// Seal seals a PUK of [NewPUK] for the card.
func (k *EscrowPublic) Seal(card uint32, puk string) (SealedPUK, error) {
	if len(puk) != pukLength {
		return nil, fmt.Errorf("sealing a PUK: one of %d characters, where %d are due", len(puk), pukLength)
	}
	enc, sender, err := hpke.NewSender(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(sealingInfo))
	if err != nil {
		return nil, fmt.Errorf("sealing a PUK: %w", err)
	}
	text, err := sender.Seal(sealingFor(card), []byte(puk))
	if err != nil {
		return nil, fmt.Errorf("sealing a PUK: %w", err)
	}
	out := append([]byte{sealedVersion}, k.id()...)
	return append(append(out, enc...), text...), nil
}

func sealingFor(card uint32) []byte { return strconv.AppendUint(nil, uint64(card), 10) }

// An EscrowKey opens what its public half has sealed.
type EscrowKey struct {
	private hpke.PrivateKey
	public  *EscrowPublic
}

// NewEscrowKey makes one of an X25519 key.
func NewEscrowKey(key *ecdh.PrivateKey) (*EscrowKey, error) {
	if key == nil || key.Curve() != ecdh.X25519() {
		return nil, errors.New("an escrow key is one of X25519")
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("the escrow key: %w", err)
	}
	return &EscrowKey{private, &EscrowPublic{private.PublicKey()}}, nil
}

// Public is the half that seals.
func (k *EscrowKey) Public() *EscrowPublic { return k.public }

// Open opens the PUK of the card. It fails with [ErrEscrowKey] or [ErrSealed].
func (k *EscrowKey) Open(card uint32, s SealedPUK) (string, error) {
	if _, err := ParseSealedPUK(s); err != nil {
		return "", err
	}
	if string(s.keyID()) != string(k.public.id()) {
		return "", ErrEscrowKey
	}
	enc, text := s[1+keyIDLength:][:encLength], s[1+keyIDLength+encLength:]
	recipient, err := hpke.NewRecipient(enc, k.private, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(sealingInfo))
	if err != nil {
		return "", ErrSealed
	}
	puk, err := recipient.Open(sealingFor(card), text)
	if err != nil {
		return "", ErrSealed
	}
	return string(puk), nil
}
