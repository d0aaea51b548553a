//go:build cgo || windows

package yubikey

import (
	"context"
	"errors"
	"fmt"

	pivgo "github.com/go-piv/piv-go/v2/piv"

	"signet/piv"
)

var _ piv.Card = (*card)(nil)

// card is an open YubiKey.
type card struct {
	info piv.Info
	// idle holds a token while the card does nothing. Whoever talks to the card
	// takes it, so that an operation that was given up on (a touch that never
	// came) is not talked over.
	idle chan struct{}

	// What follows is owned by whoever has the token.
	yk         *pivgo.YubiKey // connected, or
	link       *link          // we are; never both
	trusting   bool           // a secret was proven to it, and is not forgotten yet
	tries      int            // of the PIN, as they were before
	management []byte
	made       map[piv.Slot]piv.Key // the keys generated since it was opened
}

// do runs f on the card, off the caller's goroutine: a wait for a touch can't
// be cancelled, only left. What f finds comes through a channel, so that who has left
// shares nothing with it.
func do[T any](ctx context.Context, c *card, f func() (T, error)) (found T, err error) {
	select {
	case <-c.idle:
	case <-ctx.Done():
		return found, ctx.Err()
	}
	type result struct {
		found T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		found, err := f()
		c.idle <- struct{}{}
		done <- result{found, err}
	}()
	select {
	case r := <-done:
		return r.found, r.err
	case <-ctx.Done():
		return found, ctx.Err()
	}
}

func (c *card) Info() piv.Info { return c.info }

// Key asks for the slot's metadata, which YubiKeys tell from 5.3 on; before, its
// attestation, and for an imported key its certificate. Cards of other makers
// may have none of these: then what was made on them just now is remembered.
func (c *card) Key(ctx context.Context, s piv.Slot) (piv.Key, error) {
	return fromTheirs(ctx, c, func(*pivgo.YubiKey) (piv.Key, error) {
		key, err := c.key(s)
		if made, ok := c.made[s]; ok && (errors.Is(err, piv.ErrEmpty) || errors.Is(err, piv.ErrUnsupported)) {
			return made, nil
		}
		return key, err
	})
}

func (c *card) key(s piv.Slot) (piv.Key, error) {
	info, err := c.yk.KeyInfo(slotOf(s))
	switch {
	case err == nil && info.PublicKey != nil:
		return piv.Key{
			Public:      info.PublicKey,
			Algorithm:   algorithmOf(info.PublicKey),
			PINPolicy:   piv.PINPolicy(info.PINPolicy),
			TouchPolicy: piv.TouchPolicy(info.TouchPolicy),
			Generated:   info.Origin == pivgo.OriginGenerated,
		}, nil
	case c.info.Firmware.Less(piv.Version{5, 3, 0}) && (err == nil || statusOf(err) != 0):
		return c.oldKey(s)
	case err == nil:
		return piv.Key{}, fmt.Errorf("reading slot %s: %w: it tells of no key", s, piv.ErrUnsupported)
	}
	return piv.Key{}, mapError("reading slot "+s.String(), err)
}

func (c *card) oldKey(s piv.Slot) (piv.Key, error) {
	cert, err := c.yk.Attest(slotOf(s))
	if errors.Is(err, pivgo.ErrNotFound) || statusOf(err) != 0 {
		cert, err = c.yk.Certificate(slotOf(s))
		if err != nil {
			return piv.Key{}, mapError("reading slot "+s.String(), err)
		}
		return piv.Key{Public: cert.PublicKey, Algorithm: algorithmOf(cert.PublicKey)}, nil
	}
	if err != nil {
		return piv.Key{}, mapError("reading slot "+s.String(), err)
	}
	st, err := piv.ReadStatement(cert)
	if err != nil {
		return piv.Key{}, fmt.Errorf("reading slot %s: %w", s, err)
	}
	return piv.Key{Public: st.Public, Algorithm: algorithmOf(st.Public),
		PINPolicy: st.PINPolicy, TouchPolicy: st.TouchPolicy, Generated: true}, nil
}

func (c *card) Attest(ctx context.Context, s piv.Slot) (*piv.Attestation, error) {
	return fromTheirs(ctx, c, func(yk *pivgo.YubiKey) (*piv.Attestation, error) {
		slot, err := yk.Attest(slotOf(s))
		if err != nil {
			return nil, mapError("attesting slot "+s.String(), err)
		}
		own, err := yk.AttestationCertificate()
		if err != nil {
			return nil, mapError("reading the card's own certificate (slot f9)", err)
		}
		return &piv.Attestation{Slot: slot.Raw, Card: own.Raw}, nil
	})
}

// Reset spends what is left of PIN and PUK, which is what a card wants first.
func (c *card) Reset(ctx context.Context) error {
	return c.theirs(ctx, func(yk *pivgo.YubiKey) error {
		clear(c.management)
		c.management = nil
		clear(c.made)
		return mapError("resetting the card", yk.Reset())
	})
}

// Close lets go of the card. An operation that was given up on ends first, in
// the background.
func (c *card) Close() error {
	select {
	case <-c.idle:
		c.release()
	default:
		go func() { <-c.idle; c.release() }()
	}
	return nil
}

func (c *card) release() {
	clear(c.management)
	c.letGo()
}
