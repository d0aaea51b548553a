//go:build cgo || windows

package yubikey

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"io"

	pivgo "github.com/go-piv/piv-go/v2/piv"

	"signet/piv"
)

var algorithms = map[piv.Algorithm]pivgo.Algorithm{
	piv.RSA2048: pivgo.AlgorithmRSA2048, piv.RSA3072: pivgo.AlgorithmRSA3072, piv.RSA4096: pivgo.AlgorithmRSA4096,
	piv.P256: pivgo.AlgorithmEC256, piv.P384: pivgo.AlgorithmEC384, piv.Ed25519: pivgo.AlgorithmEd25519,
}

// algorithmOf is "" for a key of no kind that a profile can name.
func algorithmOf(pub crypto.PublicKey) piv.Algorithm {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		switch pub.Curve {
		case elliptic.P256():
			return piv.P256
		case elliptic.P384():
			return piv.P384
		}
	case ed25519.PublicKey:
		return piv.Ed25519
	case *rsa.PublicKey:
		return piv.Algorithm(fmt.Sprintf("RSA-%d", pub.N.BitLen()))
	}
	return ""
}

// slotOf finds the certificate's object for a slot (NIST SP 800-73-4, Part 1, Table 3).
func slotOf(s piv.Slot) pivgo.Slot {
	switch s {
	case piv.SlotAuthentication:
		return pivgo.SlotAuthentication
	case piv.SlotSignature:
		return pivgo.SlotSignature
	case piv.SlotKeyManagement:
		return pivgo.SlotKeyManagement
	case piv.SlotCardAuthentication:
		return pivgo.SlotCardAuthentication
	}
	retired, _ := pivgo.RetiredKeyManagementSlot(uint32(s))
	return retired
}

func (c *card) Generate(ctx context.Context, s piv.Slot, spec piv.KeySpec) (crypto.PublicKey, error) {
	alg, ok := algorithms[spec.Algorithm]
	if !ok || !s.Valid() {
		return nil, fmt.Errorf("generating %s in slot %s: %w", spec.Algorithm, s, piv.ErrUnsupported)
	}
	return fromTheirs(ctx, c, func(yk *pivgo.YubiKey) (crypto.PublicKey, error) {
		if c.management == nil {
			return nil, piv.ErrManagement
		}
		c.trusting = true
		pub, err := yk.GenerateKey(c.management, slotOf(s), pivgo.Key{
			Algorithm:   alg,
			PINPolicy:   pivgo.PINPolicy(spec.PINPolicy),
			TouchPolicy: pivgo.TouchPolicy(spec.TouchPolicy),
		})
		if err != nil {
			return nil, mapManagement("generating a key in slot "+s.String(), err)
		}
		c.made[s] = piv.Key{Public: pub, Algorithm: spec.Algorithm,
			PINPolicy: spec.PINPolicy, TouchPolicy: spec.TouchPolicy, Generated: true}
		return pub, nil
	})
}

// DeleteKey and MoveKey are Yubico's, from firmware 5.7 on.
func (c *card) DeleteKey(ctx context.Context, s piv.Slot) error {
	return c.move(ctx, "deleting the key in slot "+s.String(), 0xff, s)
}

func (c *card) MoveKey(ctx context.Context, from, to piv.Slot) error {
	if !to.Valid() {
		return fmt.Errorf("moving a key to slot %s: %w", to, piv.ErrUnsupported)
	}
	return c.move(ctx, fmt.Sprintf("moving the key in slot %s to slot %s", from, to), byte(to), from)
}

func (c *card) move(ctx context.Context, doing string, to byte, from piv.Slot) error {
	if !from.Valid() || c.info.Firmware.Less(piv.Version{5, 7, 0}) {
		return fmt.Errorf("%s: %w", doing, piv.ErrUnsupported)
	}
	return c.managed(ctx, func(l *link) error {
		_, err := l.send(command{ins: insMoveKey, p1: to, p2: byte(from)})
		if err == nil {
			delete(c.made, from)
		}
		return mapManagement(doing, err)
	})
}

// Signer signs by piv-go.
func (c *card) Signer(s piv.Slot, key piv.Key, pin string) (crypto.Signer, error) {
	switch key.Public.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey:
		return &signer{card: c, slot: s, key: key, pin: pin}, nil
	}
	return nil, fmt.Errorf("using slot %s: %w: its key can't sign", s, piv.ErrUnsupported)
}

// signer signs on the card, one at a time with all else that is done there.
type signer struct {
	card *card
	slot piv.Slot
	key  piv.Key
	pin  string
}

func (s *signer) Public() crypto.PublicKey { return s.key.Public }

// Sign fails with piv.ErrNotTouched where the key wants a touch that didn't
// come; the card answers then as it does when it wants a PIN, which it was given.
func (s *signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return fromTheirs(context.Background(), s.card, func(yk *pivgo.YubiKey) ([]byte, error) {
		inner, err := s.inner(yk)
		if err != nil {
			return nil, err
		}
		s.card.trusting = true
		sig, err := inner.Sign(rand, digest, opts)
		if s.key.TouchPolicy != piv.TouchNever && statusOf(err) == swSecurity {
			return nil, fmt.Errorf("signing: %w", piv.ErrNotTouched)
		}
		return sig, mapSecret("signing", "PIN", piv.ErrPINBlocked, err)
	})
}

// inner names the PIN policy itself: piv-go would else ask the card, which
// older ones can't answer for an imported key.
func (s *signer) inner(yk *pivgo.YubiKey) (crypto.Signer, error) {
	policy := s.key.PINPolicy
	if policy == 0 {
		policy = piv.PINAlways
	}
	k, err := yk.PrivateKey(slotOf(s.slot), s.key.Public, pivgo.KeyAuth{PIN: s.pin, PINPolicy: pivgo.PINPolicy(policy)})
	if err != nil {
		return nil, mapError("using slot "+s.slot.String(), err)
	}
	inner, ok := k.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("using slot %s: %w: its key can't sign", s.slot, piv.ErrUnsupported)
	}
	return inner, nil
}
