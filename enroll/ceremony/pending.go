package ceremony

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"slices"

	"signet/piv"
)

// A found is where a key of the journal's is.
type found int

const (
	missing found = iota // it was not made yet
	here
	lost // something else is in its place
)

// pending reports whether the journal tells of keys that are in their slots, or at least the
// first of them, and that the others may still be made. Else it forgets them; a renewal's
// ticket it doesn't.
func (r *run) pending(ctx context.Context) (bool, error) {
	keys := r.entry.Keys
	var made []*pendingKey
	for i, k := range keys {
		f, err := r.find(ctx, k, len(made) == i)
		if err != nil {
			return false, err
		}
		if f == here {
			made = append(made, k)
		}
		if f == lost {
			keys = nil
		}
	}
	if len(made) > 0 && len(keys) > 0 && !keys[0].Refused {
		return true, nil
	}
	// One that was certified may be in use. The others are of no use without those that are lost.
	r.entry.Keys = slices.DeleteFunc(r.entry.Keys, func(k *pendingKey) bool {
		return k.Issued != nil || k.made() && !slices.Contains(made, k)
	})
	r.abandon()
	return false, nil
}

// find looks for a key on the card. One that was generated just before a run ended is not in
// the journal yet: where it is the next one, it is known by being none that was there
// before, and just what was wanted.
func (r *run) find(ctx context.Context, k *pendingKey, next bool) (found, error) {
	if !k.Slot.Valid() {
		return lost, nil
	}
	if moved, err := r.moved(ctx, k); err != nil || moved {
		return here, err
	}
	key, err := r.Card.Key(ctx, k.Slot)
	switch {
	case errors.Is(err, piv.ErrEmpty) && k.made():
		return lost, nil
	case errors.Is(err, piv.ErrEmpty):
		return missing, nil
	case err != nil:
		return lost, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public)
	switch {
	case err != nil:
		return lost, err
	case bytes.Equal(spki, k.Public):
		return here, nil
	case k.made():
		return lost, nil
	case next && key.Generated && !bytes.Equal(spki, k.Before) &&
		key.Algorithm == k.Algorithm && key.PINPolicy == k.PIN && key.TouchPolicy == k.Touch:
		k.Public = spki
		return here, r.save()
	}
	return missing, nil
}
