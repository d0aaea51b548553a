//go:build cgo || windows

package yubikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	pivgo "github.com/go-piv/piv-go/v2/piv"

	"signet/piv"
)

// A card is given out exclusively, and piv-go keeps its handle to itself: so either
// piv-go is connected or we are, by turns. Before a turn ends the card forgets
// what was proven to it, so that nobody who comes in between can use it, and as each
// begins its serial number is read: it may be another card by then.

// fromOurs gives f the card over a connection of our own.
func fromOurs[T any](ctx context.Context, c *card, f func(*link) (T, error)) (T, error) {
	return do(ctx, c, func() (none T, err error) {
		if c.link == nil {
			c.letGo()
			if err := c.again(ctx, c.dialOnce); err != nil {
				return none, err
			}
		}
		return f(c.link)
	})
}

// fromTheirs gives f the card by piv-go.
func fromTheirs[T any](ctx context.Context, c *card, f func(*pivgo.YubiKey) (T, error)) (T, error) {
	return do(ctx, c, func() (none T, err error) {
		if c.yk == nil {
			c.letGo()
			if err := c.again(ctx, c.openOnce); err != nil {
				return none, err
			}
		}
		return f(c.yk)
	})
}

// ours and theirs are for what finds nothing but that it could be done.
func (c *card) ours(ctx context.Context, f func(*link) error) error {
	_, err := fromOurs(ctx, c, func(l *link) (struct{}, error) { return struct{}{}, f(l) })
	return err
}

func (c *card) theirs(ctx context.Context, f func(*pivgo.YubiKey) error) error {
	_, err := fromTheirs(ctx, c, func(yk *pivgo.YubiKey) (struct{}, error) { return struct{}{}, f(yk) })
	return err
}

// again connects, and waits a while for a program that came in between.
func (c *card) again(ctx context.Context, connect func() error) error {
	err := patiently(ctx, connect)
	if errors.Is(err, piv.ErrNoCard) { // it was there
		return fmt.Errorf("connecting to the card again: %w", piv.ErrRemoved)
	}
	return err
}

// patiently tries until nobody else holds the card.
func patiently(ctx context.Context, connect func() error) error {
	for end := time.Now().Add(patience); ; {
		err := connect()
		if !errors.Is(err, piv.ErrInUse) || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (c *card) dialOnce() error {
	l, err := dial(c.info.Reader)
	if err != nil {
		return mapError("connecting to the card", err)
	}
	serial, err := l.serial(c.info.Firmware)
	if err == nil {
		err = c.same(serial)
	}
	if err != nil {
		_ = l.close()
		return mapError("connecting to the card", err)
	}
	c.link = l
	return nil
}

func (c *card) openOnce() error {
	yk, err := pivgo.Open(c.info.Reader)
	if err != nil {
		return mapError("connecting to the card", err)
	}
	serial, err := yk.Serial()
	if err == nil {
		err = c.same(serial)
	}
	if err != nil {
		_ = yk.Close()
		return mapError("connecting to the card", err)
	}
	c.yk = yk
	return nil
}

// same refuses a card that isn't the one that was opened.
func (c *card) same(serial uint32) error {
	if serial != c.info.Serial {
		return fmt.Errorf("%w: card %d is there instead of card %d", piv.ErrOtherCard, serial, c.info.Serial)
	}
	return nil
}

func (c *card) Logout(ctx context.Context) error {
	_, err := do(ctx, c, func() (struct{}, error) {
		clear(c.management)
		c.management = nil
		c.letGo()
		return struct{}{}, nil
	})
	return err
}

// letGo ends whoever's turn it is. PC/SC leaves the card powered, and whoever opens it
// next could sign: so it forgets first.
func (c *card) letGo() {
	switch {
	case c.link != nil:
		if c.trusting {
			c.link.forget()
		}
		_ = c.link.close()
	case c.yk != nil:
		c.closePIVGo()
	}
	c.link, c.yk, c.trusting = nil, nil, false
}

// closePIVGo: piv-go has no function to forget, but one that leaves the PIV application, to
// ask for the form factor. A card that has nowhere to go is told by us.
func (c *card) closePIVGo() {
	var stayed error
	if c.trusting {
		_, stayed = c.yk.FormFactor()
	}
	_ = c.yk.Close()
	if stayed == nil {
		return
	}
	if l, err := dial(c.info.Reader); err == nil {
		l.forget()
		_ = l.close()
	}
}
