package ceremony

import (
	"context"
	"crypto"
	"fmt"

	"signet/piv"
)

// Unlocked asks for the card's PIN and returns a signer of the slot's key that
// tells the person when to touch: for what is done at the CA as the holder
// of a certificate. As everywhere here, the PIN's last try is not spent.
func Unlocked(ctx context.Context, card piv.Card, ui UI, s piv.Slot) (crypto.Signer, error) {
	r := &run{Config: Config{Card: card, UI: ui}}
	tries, err := card.PINTries(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.verify(ctx, tries); err != nil {
		return nil, err
	}
	return r.signer(ctx, s)
}

// ChangePIN asks for the card's PIN and for another, and sets that. The PIN's last
// try is not spent, and a new one that is refused costs none.
func ChangePIN(ctx context.Context, card piv.Card, ui UI) error {
	r := &run{Config: Config{Card: card, UI: ui}}
	tries, err := card.PINTries(ctx)
	if err != nil {
		return err
	}
	ui.Note(fmt.Sprintf("PIN tries left: %d", tries))
	if err := r.verify(ctx, tries); err != nil {
		return err
	}
	pin, err := askNew(ctx, ui.NewPIN, CheckPIN)
	if err != nil {
		return err
	}
	return card.ChangePIN(ctx, r.pin, pin)
}

// PUKTries is how many PUK tries are left, for what can wait: with one left it
// fails with [ErrLastPUKTry], with none with [piv.ErrPUKBlocked].
func PUKTries(ctx context.Context, card piv.Card) (left int, known bool, err error) {
	left, known, err = card.PUKTries(ctx)
	switch {
	case err != nil || !known:
		return 0, false, err
	case left == 0:
		return 0, true, piv.ErrPUKBlocked
	case left == 1:
		return 1, true, ErrLastPUKTry
	}
	return left, true, nil
}
