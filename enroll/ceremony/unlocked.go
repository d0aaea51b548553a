package ceremony

import (
	"context"
	"crypto"

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
