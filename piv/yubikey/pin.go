//go:build cgo || windows

package yubikey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	pivgo "github.com/go-piv/piv-go/v2/piv"

	"signet/piv"
)

// PINTries asks the card, unless a PIN was verified: then the card no longer
// says and it is what it was before.
func (c *card) PINTries(ctx context.Context) (n int, err error) {
	err = c.do(ctx, func() error {
		n, err = c.readTries()
		return err
	})
	return n, err
}

func (c *card) readTries() (int, error) {
	if c.verified {
		return c.tries, nil
	}
	n, err := c.yk.Retries()
	switch {
	case err == nil:
		c.tries = n
	case errors.Unwrap(err) == nil:
		// The card's answer was no error: the PIN is verified, as after a change.
		c.verified = true
	default:
		return 0, mapError("reading how many PIN tries are left", err)
	}
	return c.tries, nil
}

func (c *card) VerifyPIN(ctx context.Context, pin string) error {
	return c.do(ctx, func() error { return c.verify(pin) })
}

func (c *card) verify(pin string) error {
	// What is left must be known before: a card that has verified doesn't tell.
	if _, err := c.readTries(); err != nil {
		return err
	}
	err := c.yk.VerifyPIN(pin)
	c.verified = err == nil
	return mapSecret("verifying the PIN", "PIN", piv.ErrPINBlocked, err)
}

func (c *card) ChangePIN(ctx context.Context, old, new string) error {
	return c.do(ctx, func() error {
		if _, err := c.readTries(); err != nil {
			return err
		}
		return mapSecret("changing the PIN", "PIN", piv.ErrPINBlocked, c.yk.SetPIN(old, new))
	})
}

func (c *card) ChangePUK(ctx context.Context, old, new string) error {
	return c.do(ctx, func() error {
		return mapSecret("changing the PUK", "PUK", piv.ErrPUKBlocked, c.yk.SetPUK(old, new))
	})
}

func (c *card) UnblockPIN(ctx context.Context, puk, new string) error {
	return c.do(ctx, func() error {
		return mapSecret("unblocking the PIN", "PUK", piv.ErrPUKBlocked, c.yk.Unblock(puk, new))
	})
}

func (c *card) FactoryManagementKey(ctx context.Context) (factory bool, err error) {
	err = c.do(ctx, func() error {
		factory, err = c.takes(pivgo.DefaultManagementKey)
		return err
	})
	return factory, err
}

// takes reports whether the card takes the management key. piv-go has no
// function for that alone, but one that generates a key first authenticates, and
// then refuses an algorithm of 0 before it sends anything. That refusal wraps
// nothing; all that can go wrong before does.
func (c *card) takes(key []byte) (bool, error) {
	_, err := c.yk.GenerateKey(key, pivgo.SlotAuthentication, pivgo.Key{})
	if err == nil {
		return false, errors.New("the card generated a key that nobody asked for")
	}
	if errors.Unwrap(err) == nil {
		return true, nil
	}
	mapped := mapManagement("trying the management key", err)
	for _, gone := range []error{piv.ErrRemoved, piv.ErrNoService, piv.ErrInUse} {
		if errors.Is(mapped, gone) {
			return false, mapped
		}
	}
	return false, nil // refused, of another length, or of another kind
}

// NewManagementKey makes 24 random bytes. piv-go sets them as 3DES before
// firmware 5.4 and as AES-192 from there on, which each of those cards takes and
// which is the factory's kind from 5.7 on.
func (c *card) NewManagementKey(ctx context.Context, pin string) error {
	return c.do(ctx, func() error {
		if ok, err := c.takes(pivgo.DefaultManagementKey); err != nil || !ok {
			return errors.Join(err, piv.ErrManagement)
		}
		stored, err := c.stored(pin)
		if err != nil {
			return err
		}
		key := make([]byte, 24)
		if _, err := rand.Read(key); err != nil {
			return fmt.Errorf("drawing a management key: %w", err)
		}
		stored.ManagementKey = &key
		// Stored first: pulled out now, the card still takes the factory's.
		if err := c.yk.SetMetadata(pivgo.DefaultManagementKey, stored); err != nil {
			return mapManagement("storing the management key on the card", err)
		}
		if err := c.yk.SetManagementKey(pivgo.DefaultManagementKey, key); err != nil {
			return mapManagement("setting the management key", err)
		}
		c.management = key
		return nil
	})
}

func (c *card) UseManagementKey(ctx context.Context, pin string) error {
	return c.do(ctx, func() error {
		stored, err := c.stored(pin)
		if err != nil {
			return err
		}
		var keys [][]byte
		if stored.ManagementKey != nil {
			keys = append(keys, *stored.ManagementKey)
		}
		for _, key := range append(keys, pivgo.DefaultManagementKey) {
			if ok, err := c.takes(key); err != nil {
				return err
			} else if ok {
				c.management = append([]byte(nil), key...)
				return nil
			}
		}
		return piv.ErrManagement
	})
}

// stored reads the object that the PIN guards, with the management key in it
// where there is one.
func (c *card) stored(pin string) (*pivgo.Metadata, error) {
	if err := c.verify(pin); err != nil {
		return nil, err
	}
	m, err := c.yk.Metadata(pin)
	if err != nil {
		return nil, mapSecret("reading the management key", "PIN", piv.ErrPINBlocked, err)
	}
	return m, nil
}
