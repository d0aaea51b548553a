package ceremony

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"signet/enroll"
	"signet/piv"
)

// renewed is the member that the slot's certificate is of.
func (r *run) renewed(offer *enroll.Offer) (member, error) {
	members := membersOf(offer)
	if r.entry.By == r.Slot || r.entry.By == 0 || offer.Plan.Slot == r.Slot { // or the companion was asked for by name
		return members[0], nil
	}
	for _, m := range members[1:] {
		if m.plan.Slot == r.Slot {
			return m, nil
		}
	}
	return member{}, &PlanError{Reason: fmt.Sprintf("profile %s, of the certificate in slot %s, has no companion for slot %s", offer.Profile, r.entry.By, r.Slot),
		Hint: "For a certificate by another profile: signet enroll --profile NAME --force."}
}

// standing makes what is renewed of the keys that are on the card: the slot's, and those
// of its companions.
func (r *run) standing(ctx context.Context, offer *enroll.Offer) error {
	m, err := r.renewed(offer)
	if err != nil {
		return err
	}
	if _, err := r.matching(ctx, r.Slot); err != nil {
		return err
	}
	k, err := r.keyIn(ctx, m.profile, r.Slot)
	if err != nil {
		return err
	}
	r.entry.Keys, r.entry.Profile = []*pendingKey{k}, offer.Profile
	if r.entry.By != r.Slot {
		return nil
	}
	also, err := r.companions(ctx, offer)
	if err != nil {
		return err
	}
	r.entry.Keys = append(r.entry.Keys, also...)
	r.tellMissing(offer.Profile, r.missing)
	return nil
}

// keyIn is the key in a slot, as one that is only to be certified anew.
func (r *run) keyIn(ctx context.Context, profile string, s piv.Slot) (*pendingKey, error) {
	key, err := r.Card.Key(ctx, s)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public)
	if err != nil {
		return nil, err
	}
	return &pendingKey{Profile: profile, Slot: s, Algorithm: key.Algorithm,
		PIN: key.PINPolicy, Touch: key.TouchPolicy, Before: spki, Public: spki}, nil
}

// companions are the keys of the offer's companions that the card has. The others are noted
// as missing.
func (r *run) companions(ctx context.Context, offer *enroll.Offer) (keys []*pendingKey, err error) {
	r.missing = nil
	for _, m := range membersOf(offer)[1:] {
		missing, err := r.missingOf(ctx, m)
		if err != nil {
			return nil, err
		}
		if missing.State != sound {
			r.missing = append(r.missing, missing)
			continue
		}
		k, err := r.keyIn(ctx, m.profile, m.plan.Slot)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// released refuses to renew a companion whose certificate is on hold, before anything of its
// is changed: the CA would.
func (r *run) released(ctx context.Context) error {
	if _, holder := r.ca.(Renewer); !holder || r.entry.By == r.Slot {
		return nil // the CA knows the holder by it, or by a ticket
	}
	cert, err := r.Card.Certificate(ctx, r.Slot)
	if errors.Is(err, piv.ErrEmpty) {
		return nil
	}
	if err != nil {
		return err
	}
	record, err := r.record(ctx, cert)
	if err == nil && record.Status == enroll.StatusHeld {
		return held(fmt.Sprintf("the certificate %s in slot %s is on hold", record.Serial, r.Slot))
	}
	return nil // of what the CA doesn't know, it says so itself
}
