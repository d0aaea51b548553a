package ceremony

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"signet/enroll"
	"signet/piv"
)

// choose makes the plan's key of this card: which algorithm, of those that both can. It
// shows the plan first, and refuses what the CA would refuse.
func (r *run) choose(ctx context.Context, offer *enroll.Offer) error {
	info, plan := r.Card.Info(), &offer.Plan
	wanted := plan.Algorithms
	if r.Algorithm != "" {
		if !slices.Contains(wanted, r.Algorithm) {
			return &AlgorithmError{Profile: offer.Profile, Asked: r.Algorithm, Allowed: wanted}
		}
		wanted = []piv.Algorithm{r.Algorithm}
	}
	able := slices.DeleteFunc(slices.Clone(wanted), func(a piv.Algorithm) bool { return !can(info.Firmware, a) })
	if len(able) == 0 {
		return &PlanError{Reason: fmt.Sprintf("a card of firmware %s makes no keys of %v", info.Firmware, wanted)}
	}
	algorithm, err := r.pick(ctx, plan, able)
	r.wants, r.tries = planInWords(plan, algorithm), Tries{plan.PINTries, plan.PUKTries}
	if !r.dry || err != nil { // else the preview says it
		r.UI.Note("the CA wants for profile " + offer.Profile + ": " + r.wants)
	}
	if err != nil {
		return err
	}
	r.entry.Key = &pendingKey{Profile: offer.Profile, Slot: plan.Slot, Algorithm: algorithm,
		PIN: plan.PINPolicy, Touch: plan.TouchPolicy}
	return nil
}

// pick takes the first algorithm that the CA will take of this card: an advisory may be about
// one kind of key alone. Where it takes none, the error is of the preferred one.
func (r *run) pick(ctx context.Context, plan *enroll.Plan, able []piv.Algorithm) (piv.Algorithm, error) {
	var first error
	for _, a := range able {
		err := r.judge(ctx, plan, a)
		if err == nil {
			return a, nil
		}
		if first == nil {
			first = err
		}
	}
	return able[0], first
}

// can reports whether a firmware makes keys of an algorithm: 5.7 brought
// larger RSA and Ed25519; 4.2.0 to 4.3.4 make RSA keys that can be broken (ROCA).
func can(fw piv.Version, a piv.Algorithm) bool {
	switch a {
	case piv.P256:
		return true
	case piv.P384:
		return !fw.Less(piv.Version{4, 0, 0})
	case piv.RSA2048:
		return fw.Less(piv.Version{4, 2, 0}) || !fw.Less(piv.Version{4, 3, 5})
	}
	return !fw.Less(piv.Version{5, 7, 0})
}

// clearSlot sees to it that the slot may be written: it is empty, or the person
// says that what is in it may go. It remembers what was there.
func (r *run) clearSlot(ctx context.Context) error {
	k := r.entry.Key
	o, err := r.look(ctx, k.Slot)
	if err != nil {
		return err
	}
	if k.Before, err = r.inSlot(ctx, k.Slot); err != nil {
		return err
	}
	o.Key = k.Before != nil
	if r.refused != nil && bytes.Equal(k.Before, r.refused) {
		return nil // made by us, of no use to anyone
	}
	if o.Certificate == nil && !o.Key && !o.unreadable {
		return nil
	}
	if !r.Force {
		return &OccupiedError{o.Occupied}
	}
	return r.UI.Replace(ctx, o.Occupied)
}

type looked struct {
	Occupied
	unreadable bool // there is a certificate object, but no certificate in it
}

func (r *run) look(ctx context.Context, s piv.Slot) (looked, error) {
	o := looked{Occupied: Occupied{Card: r.Card.Info(), Slot: s}}
	cert, err := r.Card.Certificate(ctx, s)
	switch {
	case err == nil:
		o.Certificate = cert
	case errors.Is(err, piv.ErrEmpty):
	case gone(err):
		return o, err
	default:
		o.unreadable = true
	}
	return o, nil
}

func gone(err error) bool {
	return errors.Is(err, piv.ErrRemoved) || errors.Is(err, piv.ErrNoService) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// inSlot is the SubjectPublicKeyInfo of the slot's key; nil where there is none.
func (r *run) inSlot(ctx context.Context, s piv.Slot) ([]byte, error) {
	key, err := r.Card.Key(ctx, s)
	if errors.Is(err, piv.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key.Public)
}

// pending reports whether the journal tells of the key that is in the slot. A key
// that was generated just before a run ended is not in the journal yet: it is
// known by being none that was there before, and just what was wanted. A key
// that isn't there is forgotten; a renewal's ticket is not.
func (r *run) pending(ctx context.Context) (bool, error) {
	k := r.entry.Key
	if k == nil {
		return false, nil
	}
	if !k.Slot.Valid() {
		r.entry.Key = nil
		return false, nil
	}
	if moved, err := r.moved(ctx); err != nil || moved {
		return moved, err
	}
	key, err := r.Card.Key(ctx, k.Slot)
	if errors.Is(err, piv.ErrEmpty) {
		r.entry.Key = nil
		return false, nil
	}
	if err != nil {
		return false, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public)
	if err != nil {
		return false, err
	}
	ours := bytes.Equal(spki, k.Public)
	if k.Public == nil {
		ours = key.Generated && !bytes.Equal(spki, k.Before) &&
			key.Algorithm == k.Algorithm && key.PINPolicy == k.PIN && key.TouchPolicy == k.Touch
	}
	if !ours {
		r.entry.Key = nil
		return false, nil
	}
	if k.Public == nil {
		k.Public = spki
		return true, r.save()
	}
	return true, nil
}

// generate makes the key. What is about to happen is on disk before.
func (r *run) generate(ctx context.Context) error {
	k := r.entry.Key
	if err := r.save(); err != nil {
		return err
	}
	r.UI.Step(StepGenerate)
	pub, err := r.Card.Generate(ctx, k.Slot, piv.KeySpec{Algorithm: k.Algorithm, PINPolicy: k.PIN, TouchPolicy: k.Touch})
	if err != nil {
		return err
	}
	if k.Public, err = x509.MarshalPKIXPublicKey(pub); err != nil {
		return err
	}
	return r.save()
}
