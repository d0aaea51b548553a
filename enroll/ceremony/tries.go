package ceremony

import (
	"context"
	"errors"

	"signet/piv"
)

// Tries are how often a wrong PIN and a wrong PUK may be given; 0 leaves the card's number.
type Tries struct{ PIN, PUK int }

// factoryTries is what each has on a new card.
const factoryTries = 3

// setTries sets the numbers of tries of a card that has the factory's PIN and management key,
// which asNew tells, and PUK. A card does so only together with putting the factory's PIN and PUK back: so it
// is done before those are replaced, and only where there is nothing to put back. A run that is cut
// here leaves the card with what it had, and the next one comes here again; a run that is cut
// later doesn't.
func (r *run) setTries(ctx context.Context, asNew bool) error {
	if r.tries == (Tries{}) {
		return nil
	}
	want, now, err := r.triesWanted(ctx)
	if err != nil || want == now {
		return err
	}
	if !asNew || !r.factoryPUK() {
		r.UI.Note("the card is no longer as it left the factory: its numbers of tries stay as they are")
		return nil
	}
	r.UI.Step(StepTries)
	if err := r.Card.UseManagementKey(ctx, r.pin); err != nil {
		return err
	}
	err = r.Card.SetRetries(ctx, r.pin, want.PIN, want.PUK)
	if errors.Is(err, piv.ErrUnsupported) {
		r.UI.Note("the card can't: its numbers of tries stay as they are")
		return nil
	}
	return err
}

// factoryPUK reports whether the PUK is the factory's. A card that doesn't tell has none other
// until a run has begun to replace it; what the journal knows of a card that was reset is past.
func (r *run) factoryPUK() bool {
	if r.told.Known {
		return r.told.PUK
	}
	return r.entry.PUKTried == 0 || r.entry.PINSet
}

// triesWanted are what is wanted, in full, and what the card has; now is zero where it
// doesn't tell.
func (r *run) triesWanted(ctx context.Context) (want, now Tries, err error) {
	has := Tries{factoryTries, factoryTries}
	if r.told.Known {
		// The PIN was right, so that none of its tries are spent; of the PUK's some may be.
		if has.PIN, err = r.Card.PINTries(ctx); err != nil {
			return want, now, err
		}
		if has.PUK, _, err = r.Card.PUKTries(ctx); err != nil {
			return want, now, err
		}
		now = has
	}
	want = r.tries
	if want.PIN == 0 {
		want.PIN = max(has.PIN, factoryTries)
	}
	if want.PUK == 0 {
		want.PUK = max(has.PUK, factoryTries)
	}
	return want, now, nil
}
