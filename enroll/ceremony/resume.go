package ceremony

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"signet/enroll"
	"signet/piv"
)

// errPlanChanged is a set of keys that the CA wants another one for by now.
var errPlanChanged = errors.New("the CA wants other keys by now")

// goOn ends what an earlier run has begun. Where there is nothing of that kind, it begins.
func (r *run) goOn(ctx context.Context, begin func(context.Context) (*Result, error)) (*Result, error) {
	pending, err := r.pending(ctx)
	if err != nil {
		return nil, err
	}
	if !pending {
		return begin(ctx)
	}
	result, err := r.resume(ctx)
	switch {
	case errors.Is(err, errPlanChanged), refusedBy(err, "set.incomplete", "set.unknown"):
		r.UI.Note("the CA wants other keys by now than when the earlier run made its own: they are made anew")
	case r.Account != nil && refusedBy(err, "certificate.revoked", "certificate.held", "certificate.expired", "certificate.unknown"):
		r.UI.Note("the certificate that the earlier run was known by is no longer good: its keys are made anew")
	case len(r.entry.Keys) > 1 && r.allStay() && refusedBy(err, "certificate.held"):
		r.UI.Note("one of the certificates that the earlier run was to renew is on hold: it begins anew")
	default:
		return result, err
	}
	r.abandon()
	return begin(ctx)
}

// allStay reports whether no key was made or is to be.
func (r *run) allStay() bool {
	return !slices.ContainsFunc(r.entry.Keys, func(k *pendingKey) bool { return !k.stays() })
}

// abandon forgets the keys in the making. Those that were made for this are of no use, nor
// are those that they were to replace, where that is known.
func (r *run) abandon() {
	for _, k := range r.entry.Keys {
		switch {
		case k.made() && !k.stays():
			r.refused = append(r.refused, k.Public)
		case !k.made() && k.Scrap:
			r.refused = append(r.refused, k.Before)
		}
	}
	r.entry.forget()
	r.ca, r.resumed = r.Account, false
}

// resume goes on with the keys that the journal tells of, and makes those that are missing.
func (r *run) resume(ctx context.Context) (*Result, error) {
	if err := r.same(); err != nil {
		return nil, err
	}
	r.resumed = true
	made, want := r.progress()
	if len(r.entry.Keys) == 1 {
		r.UI.Note("going on with the key that an earlier run made")
	} else {
		r.UI.Note(fmt.Sprintf("going on where an earlier run was ended: %d of %d keys are made", made, want))
	}
	if err := r.clearAgain(ctx); err != nil {
		return nil, err
	}
	offer, err := r.foresee(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.enter(ctx); err != nil {
		return nil, err
	}
	if err := r.ask(ctx); err != nil {
		return nil, err
	}
	if offer == nil && !r.requested() {
		if offer, err = r.plan(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	if !r.requested() {
		if err := r.complete(ctx, offer); err != nil {
			return nil, err
		}
	}
	return r.finish(ctx)
}

// foresee asks the CA before the card is unlocked, which may change it, whether it would certify
// what is on it; nil where there are requests that it shall answer, or where the card
// is what it knows the holder by.
func (r *run) foresee(ctx context.Context) (*enroll.Offer, error) {
	switch {
	case r.requested():
		return nil, nil
	case r.ticketHolds():
		r.ca = r.Code(r.entry.Ticket.Code)
	case r.Account == nil || r.entry.By != 0:
		return nil, nil
	}
	return r.plan(ctx)
}

// progress is how many of the keys are made, and how many there shall be.
func (r *run) progress() (made, want int) {
	for _, k := range r.entry.Keys {
		if k.made() {
			made++
		}
	}
	return made, len(r.entry.Keys)
}

// requested reports whether there is a CSR of every key.
func (r *run) requested() bool {
	return !slices.ContainsFunc(r.entry.Keys, func(k *pendingKey) bool { return k.CSR == nil })
}

// issued reports whether there is a certificate for every key.
func (r *run) issued() bool {
	return !slices.ContainsFunc(r.entry.Keys, func(k *pendingKey) bool { return k.Issued == nil })
}

// complete makes what keys are missing, and a request of all.
func (r *run) complete(ctx context.Context, offer *enroll.Offer) error {
	if !r.fits(offer) {
		return errPlanChanged
	}
	if err := r.generate(ctx); err != nil {
		return err
	}
	return r.request(ctx, offer)
}

// fits reports whether the keys in the making are what an offer is for: all of it, but for
// who is known by a certificate, or by the ticket that took its place.
func (r *run) fits(offer *enroll.Offer) bool {
	members := membersOf(offer)
	for _, k := range r.entry.Keys {
		if planFor(members, k.Profile) == nil {
			return false
		}
	}
	return r.entry.By != 0 || r.entry.Ticket != nil || len(members) == len(r.entry.Keys)
}

// clearAgain sees to slots that were free to be written, and have got another key since.
func (r *run) clearAgain(ctx context.Context) error {
	var changed []*pendingKey
	var used []piv.Slot
	for _, k := range r.entry.Keys {
		used = append(used, k.Slot, k.Into, k.Keep)
		if k.made() {
			continue
		}
		there, err := r.inSlot(ctx, k.Slot)
		if err != nil {
			return err
		}
		if there != nil && !bytes.Equal(there, k.Before) {
			changed = append(changed, k)
		}
	}
	return r.clearSlots(ctx, changed, used)
}

// ask settles whom a resumed run asks: as whoever has the ticket, as the account,
// or as the holder of the certificate that the CA knows.
func (r *run) ask(ctx context.Context) error {
	first := r.entry.Keys[0]
	by := r.entry.By
	switch {
	case r.issued():
		return nil // nobody
	case r.ticketHolds():
		r.ca = r.Code(r.entry.Ticket.Code)
		return nil
	case r.Account != nil && by == 0:
		return nil
	case by == 0:
		by = first.home()
	}
	cert, err := r.matching(ctx, by)
	if err == nil {
		return r.connect(ctx, by, cert)
	}
	if r.Account != nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotRenewable, err)
}

// same refuses to go on with a key that isn't what is asked for now.
func (r *run) same() error {
	k := r.entry.Keys[0]
	if r.Profile != "" && r.Profile != r.entry.Profile {
		return &PendingError{fmt.Sprintf("an enrollment for profile %s was begun on this card", r.entry.Profile)}
	}
	if r.Algorithm != "" && r.Algorithm != k.Algorithm {
		return &PendingError{fmt.Sprintf("an enrollment with a %s key was begun on this card", k.Algorithm)}
	}
	return nil
}
