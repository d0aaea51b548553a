package enroll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

// Take gives out the card's PUKs, still sealed, at an officer's word alone. It is
// logged with the reason.
func (x *Escrow) Take(ctx context.Context, card uint32, reason, by string) ([]Escrowed, error) {
	if err := checkPUKReason(reason); err != nil {
		return nil, input(err)
	}
	now := x.now().UTC()
	all, err := x.store.TakePUKs(ctx, card, now, x.event(by, "puk.release", card, "reason", reason))
	if err != nil {
		return nil, fmt.Errorf("PUK of card %d: %w", card, err)
	}
	return all, nil
}
