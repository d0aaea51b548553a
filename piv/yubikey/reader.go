//go:build cgo || windows

package yubikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	pivgo "github.com/go-piv/piv-go/v2/piv"

	"signet/piv"
)

// List returns the YubiKeys that are plugged in, in the order of their readers:
// piv.ErrNoService where there is no pcscd, an empty list where there is no card.
// One that another program holds has only a reader and HeldBy.
func List(ctx context.Context) ([]piv.Info, error) {
	readers, err := readers(ctx)
	if err != nil {
		return nil, err
	}
	cards := make([]piv.Info, 0, len(readers))
	for _, r := range readers {
		info, err := look(ctx, r)
		switch {
		case errors.Is(err, piv.ErrRemoved):
			continue // pulled out since we listed it
		case err != nil:
			return nil, err
		}
		cards = append(cards, info)
	}
	return cards, nil
}

// patience is how long Open waits for another program to let go of a card: many
// hold one for a moment, and PC/SC needs one to notice that a program has died.
const patience = 2 * time.Second

// Open opens the YubiKey with that serial number, or the only one for 0:
// piv.ErrNoService, piv.ErrNoCard, piv.ErrInUse, *piv.SeveralError.
func Open(ctx context.Context, serial uint32) (piv.Card, error) {
	var c piv.Card
	err := patiently(ctx, func() (err error) {
		c, err = openOnce(ctx, serial)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func openOnce(ctx context.Context, serial uint32) (piv.Card, error) {
	readers, err := readers(ctx)
	if err != nil {
		return nil, err
	}
	if serial != 0 {
		return search(ctx, readers, serial)
	}
	if len(readers) > 1 { // some may be empty
		cards, err := List(ctx)
		if err != nil {
			return nil, err
		}
		if len(cards) > 1 {
			return nil, &piv.SeveralError{Cards: cards}
		}
		readers = readers[:0]
		for _, info := range cards {
			readers = append(readers, info.Reader)
		}
	}
	if len(readers) == 0 {
		return nil, piv.ErrNoCard
	}
	c, err := open(ctx, readers[0])
	if err != nil {
		return nil, err
	}
	return c, nil
}

// search opens one card after the other until it has the one. Where it hasn't
// and another program holds a card, that may be the one: ErrInUse.
func search(ctx context.Context, readers []string, serial uint32) (piv.Card, error) {
	var held error
	for _, r := range readers {
		c, err := open(ctx, r)
		switch {
		case errors.Is(err, piv.ErrInUse):
			held = err
		case errors.Is(err, piv.ErrRemoved):
		case err != nil:
			return nil, err
		case c.info.Serial == serial:
			return c, nil
		default:
			_ = c.Close()
		}
	}
	if held != nil {
		return nil, held
	}
	if len(readers) > 0 {
		return nil, fmt.Errorf("card %d: %w", serial, piv.ErrNoCard)
	}
	return nil, piv.ErrNoCard
}

func look(ctx context.Context, reader string) (piv.Info, error) {
	c, err := open(ctx, reader)
	if errors.Is(err, piv.ErrInUse) {
		return piv.Info{Reader: reader, HeldBy: holder()}, nil
	}
	if err != nil {
		return piv.Info{}, err
	}
	defer c.Close()
	return c.info, nil
}

// makes are what the names of readers that we look at hold, in lower case:
// YubiKeys, and CanoKeys, which speak the same commands. Others are left alone:
// piv-go loses the handle of a card that is not PIV.
var makes = []string{"yubico yubikey", "canokey"}

// readers are the names of the readers that are PIV cards of ours.
func readers(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all, err := pivgo.Cards()
	if err != nil {
		return nil, mapError("listing readers", err)
	}
	var ours []string
	for _, r := range all {
		name := strings.ToLower(r)
		if slices.ContainsFunc(makes, func(m string) bool { return strings.Contains(name, m) }) {
			ours = append(ours, r)
		}
	}
	return ours, nil
}

// open opens the card in a reader and reads what it tells of itself.
func open(ctx context.Context, reader string) (*card, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	yk, err := pivgo.Open(reader)
	if err != nil {
		return nil, mapError("opening the card", err)
	}
	c := &card{yk: yk, info: piv.Info{Reader: reader}, idle: make(chan struct{}, 1), made: map[piv.Slot]piv.Key{}}
	c.idle <- struct{}{}
	v := yk.Version()
	c.info.Firmware = piv.Version{byte(v.Major), byte(v.Minor), byte(v.Patch)}
	if c.info.Serial, err = yk.Serial(); err != nil {
		_ = yk.Close()
		return nil, mapError("reading the card's serial number", err)
	}
	// Older cards don't tell, and nothing depends on it. To ask, piv-go leaves
	// the PIV application, so that a PIN that someone verified before is forgotten.
	if f, err := yk.FormFactor(); err == nil && f != 0 {
		c.info.FormFactor = f.String()
		c.info.Shape, c.info.FIPS = byte(f)&0x0f, f&0x80 != 0 // as in attestations
	}
	return c, nil
}
