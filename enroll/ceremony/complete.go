package ceremony

import (
	"context"
	"slices"
)

// Complete makes those keys of a profile's set that the card lacks, because the profile has
// come to have more of them, and gets certificates for them, all or none. The CA knows
// the holder by the certificate in force. It fails with [ErrComplete] where none is missing.
func Complete(ctx context.Context, cfg Config) (*Result, error) {
	cfg.Slot = 0 // whichever is good for signing in
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	return r.goOn(ctx, r.completeSet)
}

func (r *run) completeSet(ctx context.Context) (*Result, error) {
	if err := r.known(ctx); err != nil {
		return nil, err
	}
	r.entry.Ticket, r.entry.Replaces = nil, nil
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	if _, err := r.companions(ctx, offer); err != nil {
		return nil, err
	}
	lacking := slices.DeleteFunc(membersOf(offer)[1:], func(m member) bool {
		return !slices.Contains(r.missing, Missing{m.profile, m.plan.Slot})
	})
	r.missing = nil
	if len(lacking) == 0 {
		return nil, ErrComplete
	}
	if err := r.choose(ctx, offer.Profile, lacking); err != nil {
		return nil, err
	}
	if err := r.clearSlots(ctx, r.entry.Keys, slotsOf(offer)); err != nil {
		return nil, err
	}
	if err := r.generate(ctx); err != nil {
		return nil, err
	}
	if err := r.request(ctx, offer); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}
