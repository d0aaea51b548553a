package main

import (
	"fmt"
	"os"
	"path/filepath"

	"signet/piv"
)

// A claimed card is kept from other runs of signet: between two turns at it (see
// piv/yubikey) it is nobody's for a moment, and two runs must not share what is
// pending.
type claimed struct {
	piv.Card
	lock *os.File
}

// claim takes a card for this run, until it is closed or the process ends: piv.ErrInUse
// where another run has it. Where no file can be locked, nothing pending can be kept either.
func claim(card piv.Card) (piv.Card, error) {
	if os.MkdirAll(stateDir(), 0o700) != nil {
		return card, nil
	}
	f, err := os.OpenFile(filepath.Join(stateDir(), fmt.Sprintf("card-%d.lock", card.Info().Serial)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return card, nil
	}
	if !lockNow(f) {
		_ = f.Close()
		_ = card.Close()
		return nil, fmt.Errorf("%w: another run of signet", piv.ErrInUse)
	}
	return &claimed{Card: card, lock: f}, nil
}

// Close lets go of the card, then of the claim.
func (c *claimed) Close() error {
	err := c.Card.Close()
	_ = c.lock.Close()
	return err
}
