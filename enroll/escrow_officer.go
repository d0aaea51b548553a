package enroll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"signet/internal/audit"
)

// Requests are those of the last day, the newest first.
func (x *Escrow) Requests(ctx context.Context) ([]PUKRequest, error) {
	all, err := x.store.PUKRequests(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing requests: %w", err)
	}
	now := x.now()
	for i := range all {
		all[i] = all[i].At(now)
	}
	slices.Reverse(all)
	return all, nil
}

// Approve lets the account take its card's PUK, once and soon. It fails with
// [ErrNotFound], and with [ErrNotOpen] where the request was decided or has expired.
func (x *Escrow) Approve(ctx context.Context, number uint64, by string) (PUKRequest, error) {
	return x.decide(ctx, number, PUKDecision{Approve: true, By: by}, "puk.approve")
}

// Deny ends the request. It fails as Approve does.
func (x *Escrow) Deny(ctx context.Context, number uint64, by string) (PUKRequest, error) {
	return x.decide(ctx, number, PUKDecision{By: by}, "puk.deny")
}

func (x *Escrow) decide(ctx context.Context, number uint64, d PUKDecision, action string) (PUKRequest, error) {
	r, err := x.store.PUKRequest(ctx, number)
	if err != nil {
		return r, fmt.Errorf("request %d: %w", number, err)
	}
	d.At = x.now().UTC()
	d.Expires = d.At.Add(pukReleaseTTL)
	e := x.event(d.By, action, r.Card, "request", strconv.FormatUint(number, 10), "account", r.Account)
	r, err = x.store.DecidePUKRequest(ctx, number, d, e)
	if errors.Is(err, ErrNotOpen) {
		return r, notOpen(r.At(d.At))
	}
	if err != nil {
		return r, fmt.Errorf("request %d: %w", number, err)
	}
	x.tell(ctx, e)
	return r, nil
}

func notOpen(r PUKRequest) error {
	if r.State == PUKExpired {
		return fmt.Errorf("%w: number %d has expired", ErrNotOpen, r.Number)
	}
	return fmt.Errorf("%w: number %d is %s, by %s", ErrNotOpen, r.Number, r.State, r.By)
}

// Kept is what the CA keeps of the card's PUK, by account; [ErrNotFound] where it is nothing.
func (x *Escrow) Kept(ctx context.Context, card uint32) ([]Escrowed, error) {
	all, err := x.store.EscrowedFor(ctx, card)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("PUK of card %d: %w", card, err)
	}
	return all, nil
}

// A Taking is how an officer takes a card's PUKs in an emergency.
type Taking struct {
	Card   uint32
	Reason string
	By     string
	// Key is the ID of the escrow key that the officer has: what it can't open is not given out.
	Key string
	// DespiteState gives them out though the card is lost or retired, and also those that are
	// kept for another account than the card's own.
	DespiteState bool
}

// Take gives out the card's PUKs, still sealed, at an officer's word alone. It is
// logged with the reason. It fails with [ErrNotFound] where none is kept, with [ErrCardLost],
// [ErrCardRetired] and [ErrCardAssigned] by what the card is, and with a *[RefusedError] where
// the PUK that the card has can't be opened: then nothing is marked as given out.
func (x *Escrow) Take(ctx context.Context, t Taking) ([]Escrowed, error) {
	if err := checkPUKReason(t.Reason); err != nil {
		return nil, input(err)
	}
	now := x.now().UTC()
	var e audit.Event
	all, err := x.store.TakePUKs(ctx, t.Card, now, func(c Card, kept []Escrowed) (taken []Escrowed, _ audit.Event, err error) {
		e = x.event(t.By, "puk.release", t.Card, "reason", t.Reason)
		taken, err = t.choose(c, kept, e.Detail)
		return taken, e, err
	})
	if err != nil {
		return nil, fmt.Errorf("PUK of card %d: %w", t.Card, err)
	}
	x.tell(ctx, e)
	return all, nil
}

// choose is what is given out of what is kept; detail is the event's.
func (t Taking) choose(c Card, kept []Escrowed, detail map[string]string) ([]Escrowed, error) {
	own := slices.Clone(kept)
	if c.Account != "" {
		own = slices.DeleteFunc(own, func(k Escrowed) bool { return k.Account != c.Account })
	}
	var state error
	switch {
	case c.State == CardLost:
		state = ErrCardLost
	case c.State == CardRetired:
		state = ErrCardRetired
	case len(own) == 0:
		state = ErrCardAssigned
	}
	if state != nil && !t.DespiteState {
		return nil, state
	}
	if t.DespiteState {
		own = kept
	}
	if state != nil {
		detail["despite"] = state.Error()
	}
	taken, key := []Escrowed{}, ""
	for _, k := range own {
		if k.openedBy(t.Key) {
			taken = append(taken, k)
		} else {
			key = k.Candidates()[0].Sealed.KeyID()
		}
	}
	if len(taken) == 0 {
		return nil, refusef("escrow.unavailable", "the PUK of card %d is sealed to another escrow key, %s", t.Card, key)
	}
	return taken, nil
}

// openedBy reports whether the key with that ID opens the PUK that the card has; or, where
// none was ever confirmed, one that it may have.
func (e *Escrowed) openedBy(key string) bool {
	if e.Current != nil {
		return e.Current.Sealed.KeyID() == key
	}
	return slices.ContainsFunc(e.Pending, func(k Kept) bool { return k.Sealed.KeyID() == key })
}
