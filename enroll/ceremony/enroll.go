package ceremony

import (
	"context"

	"signet/enroll"
)

// Enroll makes the profile's key on the card, and those of its companions, and gets
// certificates for them, all or none; or goes on where an earlier run was ended. It fails
// with *[OccupiedError] where a slot is in use, and with what the card, the CA or the UI
// fails with.
func Enroll(ctx context.Context, cfg Config) (*Result, error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	if r.Own != nil {
		r.catchUp(ctx, r.Own)
	}
	return r.goOn(ctx, r.enroll)
}

func (r *run) enroll(ctx context.Context) (*Result, error) {
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.choose(ctx, offer.Profile, membersOf(offer)); err != nil {
		return nil, err
	}
	if err := r.clearSlots(ctx, r.entry.Keys, slotsOf(offer)); err != nil {
		return nil, err
	}
	r.entry.Ticket, r.entry.Replaces = nil, nil
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	return r.certify(ctx, offer)
}

// certify makes the chosen keys, and gets certificates for them onto the card.
func (r *run) certify(ctx context.Context, offer *enroll.Offer) (*Result, error) {
	if err := r.generate(ctx); err != nil {
		return nil, err
	}
	if err := r.request(ctx, offer); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// finish hands the CSRs in, unless that was done, and puts the certificates on the card.
func (r *run) finish(ctx context.Context) (*Result, error) {
	if !r.issued() {
		if err := r.submit(ctx); err != nil {
			return nil, err
		}
	}
	all, err := r.install(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.history(ctx); err != nil {
		return nil, err
	}
	main := r.mainOf(all)
	kept, err := r.keptKeys(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.note(r.ending(all)); err != nil {
		return nil, err
	}
	r.entry.enrolled()
	if err := r.tidy(); err != nil {
		return nil, err
	}
	r.supersede(ctx, all[0], main)
	return &Result{Card: r.Card.Info(), Installed: all[0], Main: main, With: all[1:], Resumed: r.resumed, Secured: r.secured,
		Superseded: r.superseded, Left: r.left, Kept: kept, Missing: r.missing}, nil
}
