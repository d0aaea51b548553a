package ceremony

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"

	"signet/ca"
	"signet/internal/problem"
	"signet/piv"
)

// clearSlots sees to it that the keys' slots may be written: each is empty, or the person
// says that what is in it may go. It asks once, about all. It remembers what was there. used
// are the slots that the CA has a use for.
func (r *run) clearSlots(ctx context.Context, keys []*pendingKey, used []piv.Slot) error {
	e := &OccupiedError{Card: r.Card.Info()}
	for _, k := range keys {
		o, inUse, err := r.occupied(ctx, k)
		if err != nil {
			return err
		}
		passOn := slices.Contains(r.passOn, k.Slot)
		if o.Encrypts && (r.Force || passOn) {
			if o.Keep, err = r.keep(ctx, k, o.Certificate, used); err != nil {
				return err
			}
			used = append(used, o.Keep)
		}
		if passOn && o.Keep != 0 {
			k.Old = nil // it ended before
			continue
		}
		if inUse {
			e.InUse = append(e.InUse, o)
		} else {
			e.Free = append(e.Free, Missing{Profile: k.Profile, Slot: k.Slot})
		}
	}
	if len(e.InUse) == 0 {
		return nil
	}
	e.Main = e.InUse[0].Slot == keys[0].Slot
	if !r.Force {
		return r.askForeign(ctx, e)
	}
	return r.UI.Replace(ctx, e.InUse)
}

// askForeign has e tell certificates of others' from the account's own, for what is said about
// them: where a password says who asks.
func (r *run) askForeign(ctx context.Context, e *OccupiedError) error {
	for i := range e.InUse {
		o := &e.InUse[i]
		if o.Certificate == nil || r.Own == nil {
			continue
		}
		serial, ok := ca.SerialOf(o.Certificate.SerialNumber)
		if !ok {
			o.Foreign = true
			continue
		}
		_, err := r.Own.Certificate(ctx, serial)
		var p *problem.Problem
		o.Foreign = errors.As(err, &p) && p.Status == http.StatusNotFound
	}
	return e
}

// occupied looks into the slot of a key that is to be made.
func (r *run) occupied(ctx context.Context, k *pendingKey) (o Occupied, inUse bool, err error) {
	found, err := r.look(ctx, k.Slot)
	if err != nil {
		return o, false, err
	}
	if k.Before, err = r.inSlot(ctx, k.Slot); err != nil {
		return o, false, err
	}
	found.Key = k.Before != nil
	k.Old = nil
	if c := found.Certificate; c != nil && bytes.Equal(c.RawSubjectPublicKeyInfo, k.Before) {
		k.Old = c.Raw
	}
	found.Encrypts = found.Key && Encrypts(k.Slot, found.Certificate)
	if k.Scrap = r.useless(k.Before); k.Scrap {
		return o, false, nil
	}
	if k.Before == nil && found.Certificate != nil {
		if left, err := r.keptElsewhere(ctx, found.Certificate); err != nil || left {
			return o, false, err
		}
	}
	return found.Occupied, found.Certificate != nil || found.Key || found.unreadable, nil
}

// useless reports whether a key was made by us, and is of no use to anyone.
func (r *run) useless(key []byte) bool {
	return key != nil && slices.ContainsFunc(r.refused, func(other []byte) bool { return bytes.Equal(key, other) })
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
