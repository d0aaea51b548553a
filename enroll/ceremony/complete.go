package ceremony

import (
	"context"
	"slices"

	"signet/enroll"
	"signet/piv"
)

// Complete makes those keys of a profile's set that the card lacks, because the profile has
// come to have more of them, and gets certificates for them, all or none. The CA knows
// the holder by the certificate in force. What is in use is left out, unless [Config.Force]
// says that it may be replaced, or it is an old key that can be kept in another slot. It
// fails with [ErrComplete] where none is missing, and with *[OccupiedError] where nothing can be made.
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
	lacking, err := r.lacking(ctx, offer)
	if err != nil {
		return nil, err
	}
	if err := r.choose(ctx, offer.Profile, lacking); err != nil {
		return nil, err
	}
	if err := r.clearSlots(ctx, r.entry.Keys, slotsOf(offer)); err != nil {
		return nil, err
	}
	return r.certify(ctx, offer)
}

// lacking are the members whose keys are to be made. The others that the card lacks are told of,
// and noted as missing.
func (r *run) lacking(ctx context.Context, offer *enroll.Offer) ([]member, error) {
	if _, err := r.companions(ctx, offer); err != nil {
		return nil, err
	}
	all := r.missing
	if len(all) == 0 {
		return nil, ErrComplete
	}
	r.missing, r.passOn = nil, nil
	var out []member
	for _, m := range membersOf(offer)[1:] {
		i := slices.IndexFunc(all, func(x Missing) bool { return x.Profile == m.profile })
		if i < 0 {
			continue
		}
		can, err := r.canMake(ctx, all[i], offer)
		if err != nil {
			return nil, err
		}
		if can {
			out = append(out, m)
		} else {
			r.missing = append(r.missing, all[i])
		}
	}
	if len(out) == 0 {
		return nil, r.allLeft(ctx)
	}
	r.tellMissing(offer.Profile, r.missing)
	return out, nil
}

// canMake reports whether the key can be made. An old key in its place is moved on, where there
// is room for it.
func (r *run) canMake(ctx context.Context, m Missing, offer *enroll.Offer) (bool, error) {
	switch {
	case m.State == Held:
		return false, nil
	case m.State == "":
		return true, nil
	case m.State != OldKey || r.Card.Info().Firmware.Less(piv.FirstMoving):
		return r.Force, nil
	}
	cert, err := r.Card.Certificate(ctx, m.Slot)
	if err != nil {
		return false, err
	}
	to, err := r.retiredSlot(ctx, cert, slotsOf(offer))
	if err != nil || to == 0 {
		return r.Force, err
	}
	r.passOn = append(r.passOn, m.Slot)
	return true, nil
}

// allLeft is why nothing is made.
func (r *run) allLeft(ctx context.Context) error {
	e := &OccupiedError{Card: r.Card.Info()}
	for _, m := range r.missing {
		if m.State == Held {
			continue
		}
		found, err := r.look(ctx, m.Slot)
		if err != nil {
			return err
		}
		e.InUse, e.Left = append(e.InUse, found.Occupied), append(e.Left, m)
	}
	if len(e.InUse) == 0 {
		return held(r.missing[0].String() + ": its certificate is on hold")
	}
	return e
}
