//go:build cgo || windows

package yubikey

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"signet/piv"
)

// PINTries asks the card. One that has verified the PIN and has no metadata no longer
// says, and it is what it was before.
func (c *card) PINTries(ctx context.Context) (int, error) { return fromOurs(ctx, c, c.readTries) }

func (c *card) readTries(l *link) (int, error) {
	if t, err := c.triesOf(l, refPIN); t.known || err != nil {
		return t.left, err
	}
	_, err := l.send(command{ins: insVerify, p2: refPIN})
	switch n, is := triesIn(err); {
	case is:
		c.tries = n
	case err != nil:
		return 0, mapError("reading how many PIN tries are left", err)
	}
	return c.tries, nil
}

func (c *card) PUKTries(ctx context.Context) (left int, known bool, err error) {
	t, err := fromOurs(ctx, c, func(l *link) (tries, error) { return c.triesOf(l, refPUK) })
	return t.left, t.known, err
}

func (c *card) FactorySecrets(ctx context.Context) (piv.FactorySecrets, error) {
	return fromOurs(ctx, c, func(l *link) (f piv.FactorySecrets, err error) {
		pin, err := c.secretData(l, refPIN)
		if err != nil {
			return f, err
		}
		puk, err := c.secretData(l, refPUK)
		if err != nil {
			return f, err
		}
		isPIN, _ := pin.find(metaDefault)
		isPUK, _ := puk.find(metaDefault)
		if len(isPIN) == 1 && len(isPUK) == 1 {
			f = piv.FactorySecrets{Known: true, PIN: isPIN[0] != 0, PUK: isPUK[0] != 0}
		}
		return f, nil
	})
}

// What the metadata of PIN and PUK has.
const (
	metaDefault = 0x05 // whether it is the factory's
	metaRetries = 0x06 // all, and left
)

// secretData is what a card tells of its PIN or PUK from firmware 5.3 on; nothing
// where it doesn't.
func (c *card) secretData(l *link, ref byte) (fields, error) {
	if c.info.Firmware.Less(piv.Version{5, 3, 0}) {
		return nil, nil
	}
	m, err := l.metadata(ref)
	if statusOf(err) != 0 || errors.Is(err, errTLV) {
		return nil, nil // another maker's
	}
	return m, mapError("reading what the card tells of PIN and PUK", err)
}

// tries are how many are left of a PIN or PUK, where the card tells.
type tries struct {
	left  int
	known bool
}

func (c *card) triesOf(l *link, ref byte) (tries, error) {
	m, err := c.secretData(l, ref)
	if err != nil {
		return tries{}, err
	}
	v, _ := m.find(metaRetries)
	if len(v) != 2 {
		return tries{}, nil
	}
	return tries{int(v[1]), true}, nil
}

// triesIn are the tries left that a refused PIN or PUK was answered with: 63Cx, 6983
// for none, and of old cards 630x.
func triesIn(err error) (left int, is bool) {
	sw := statusOf(err)
	switch {
	case sw == swBlocked, sw == 0x6300:
		return 0, true
	case sw&0xfff0 == 0x63c0, sw&0xfff0 == 0x6300:
		return int(sw & 0xf), true
	}
	return 0, false
}

func (c *card) VerifyPIN(ctx context.Context, pin string) error {
	return c.ours(ctx, func(l *link) error { return c.verify(l, pin) })
}

func (c *card) verify(l *link, pin string) error {
	data, err := padded(pin)
	if err != nil {
		return err
	}
	// What is left must be known before: a card that has verified may not tell.
	if _, err := c.readTries(l); err != nil {
		return err
	}
	c.trusting = true
	_, err = l.send(command{ins: insVerify, p2: refPIN, data: data})
	return mapSecret("verifying the PIN", "PIN", piv.ErrPINBlocked, err)
}

func (c *card) ChangePIN(ctx context.Context, old, new string) error {
	return c.change(ctx, insChangeReference, refPIN, old, new, "changing the PIN", "PIN", piv.ErrPINBlocked)
}

func (c *card) ChangePUK(ctx context.Context, old, new string) error {
	return c.change(ctx, insChangeReference, refPUK, old, new, "changing the PUK", "PUK", piv.ErrPUKBlocked)
}

func (c *card) UnblockPIN(ctx context.Context, puk, new string) error {
	return c.change(ctx, insResetRetry, refPIN, puk, new, "unblocking the PIN", "PUK", piv.ErrPUKBlocked)
}

// change presents a secret and sets another: NIST SP 800-73-4, Part 2, Sections 3.2.2
// and 3.2.3.
func (c *card) change(ctx context.Context, ins, ref byte, old, new, doing, what string, blocked error) error {
	first, err := padded(old)
	if err != nil {
		return err
	}
	second, err := padded(new)
	if err != nil {
		return err
	}
	return c.ours(ctx, func(l *link) error {
		c.trusting = true
		_, err := l.send(command{ins: ins, p2: ref, data: append(first, second...)})
		// The old one was right: 6A80 for one too short, 6985 where the card has PIN
		// complexity (Yubico, from 5.7 on).
		if sw := statusOf(err); sw == swWrongData || sw == swConditions {
			return fmt.Errorf("%s: %w", doing, piv.ErrRefused)
		}
		return mapSecret(doing, what, blocked, err)
	})
}

// SetRetries wants both secrets of the card: the management key first, since the
// PIN must be the last thing that was verified.
func (c *card) SetRetries(ctx context.Context, pin string, pinTries, pukTries int) error {
	if pinTries < 1 || pinTries > 255 || pukTries < 1 || pukTries > 255 {
		return fmt.Errorf("setting retries: a card allows 1 to 255 tries, not %d and %d", pinTries, pukTries)
	}
	return c.managed(ctx, func(l *link) error {
		if err := c.verify(l, pin); err != nil {
			return err
		}
		_, err := l.send(command{ins: insSetRetries, p1: byte(pinTries), p2: byte(pukTries)})
		return mapManagement("setting the numbers of tries", err)
	})
}

// padded is a PIN or PUK as cards want it: NIST SP 800-73-4, Part 2, Section 2.4.3.
func padded(secret string) ([]byte, error) {
	if len(secret) == 0 || len(secret) > 8 {
		return nil, errors.New("a PIN or PUK has 1 to 8 characters")
	}
	return append([]byte(secret), bytes.Repeat([]byte{0xff}, 8-len(secret))...), nil
}
