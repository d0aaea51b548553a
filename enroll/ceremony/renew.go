package ceremony

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"signet/piv"
)

// Renew gets another certificate in place of the one in the slot, which is also
// what the CA knows its holder by: for the same key, or with newKey for a new
// one. With the same key, those of the profile's companions are renewed in the same
// request. A companion's own, where it is good for no sign-in, is renewed by the
// certificate that it goes with. It goes on where an earlier run was ended, as [Enroll] does. It fails
// with [ErrNoCertificate] where the slot has none.
//
// Where card and CA allow it, a new key is made in a free retired slot, and moved to the
// old one's place once its certificate is on the card. Elsewhere a new key destroys the one
// that the holder is known by. So a one-time ticket is fetched and on disk before: it
// still holds when nothing else does.
func Renew(ctx context.Context, cfg Config, newKey bool) (*Result, error) {
	if cfg.Slot == 0 {
		cfg.Slot = piv.SlotAuthentication
	}
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	if newKey {
		return r.goOn(ctx, r.renewKey)
	}
	return r.goOn(ctx, r.renewSame)
}

// renewSame signs a new CSR with the key that is there.
func (r *run) renewSame(ctx context.Context) (*Result, error) {
	if err := r.known(ctx); err != nil {
		return nil, err
	}
	if err := r.released(ctx); err != nil {
		return nil, err
	}
	r.entry.Replaces = nil // with the same key both may stand: nothing of the old one is lost
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	if err := r.standing(ctx, offer); err != nil {
		return nil, err
	}
	if err := r.request(ctx, offer); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// renewKey makes another key beside the old one, or destroys that first.
func (r *run) renewKey(ctx context.Context) (*Result, error) {
	lost, err := r.knownOrTicket(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.released(ctx); err != nil {
		return nil, err
	}
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	m, err := r.renewed(offer)
	if err != nil {
		return nil, err
	}
	if err := r.choose(ctx, offer.Profile, []member{m}); err != nil {
		return nil, err
	}
	if old, err := r.look(ctx, r.Slot); err != nil {
		return nil, err
	} else if c := old.Certificate; c != nil && bytes.Equal(c.RawSubjectPublicKeyInfo, r.entry.Replaces) {
		r.entry.Keys[0].Old = c.Raw
	}
	beside, err := r.beside(ctx, m.plan)
	if err != nil {
		return nil, err
	}
	if err := r.spare(ctx, slotsOf(offer)); err != nil {
		return nil, err
	}
	if !beside {
		if err := r.clearOwn(ctx, lost); err != nil {
			return nil, err
		}
	}
	return r.certify(ctx, offer)
}

// clearOwn sees to what destroying the key in the slot takes: a ticket, unless the key
// is lost and there is one, or another certificate is the one to be known by.
func (r *run) clearOwn(ctx context.Context, lost bool) (err error) {
	// What is in the slot now goes to disk with the ticket, so that no later run takes it
	// for the new key.
	k := r.entry.Keys[0]
	if k.Slot != r.Slot {
		// The profile has moved to another slot, which may be in use.
		err = r.clearSlots(ctx, r.entry.Keys, nil)
	} else {
		k.Before, err = r.inSlot(ctx, k.Slot)
	}
	if err != nil || lost || r.entry.By != r.Slot {
		return err
	}
	return r.ticket(ctx)
}

// knownOrTicket asks as the holder of the certificate in force, or, where the key is
// lost that an earlier run destroyed, by the ticket that it got before.
func (r *run) knownOrTicket(ctx context.Context) (lost bool, err error) {
	err = r.known(ctx)
	var mismatch *MismatchError
	if (errors.As(err, &mismatch) || errors.Is(err, ErrNoCertificate)) && r.ticketHolds() {
		r.ca = r.Code(r.entry.Ticket.Code)
		return true, r.enter(ctx)
	}
	return false, err
}

// ticket sees to it that a one-time code is on disk, and asks with it from here on.
func (r *run) ticket(ctx context.Context) error {
	t, err := r.ca.(Renewer).RenewalCode(ctx)
	if err != nil {
		return fmt.Errorf("asking for a renewal: %w", err)
	}
	r.entry.Ticket = t
	r.ca = r.Code(t.Code)
	return r.save()
}

func (r *run) ticketHolds() bool {
	return r.entry.Ticket != nil && time.Now().Before(r.entry.Ticket.Expires)
}
