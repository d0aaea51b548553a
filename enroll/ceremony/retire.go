package ceremony

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"signet/piv"
)

// spare sees to it that a key to which messages may be encrypted isn't destroyed unasked:
// without it they can't be read any more. A card that moves keys keeps it, with its
// certificate, in a retired slot; for others the person says whether it may go.
func (r *run) spare(ctx context.Context, used []piv.Slot) error {
	k := r.entry.Keys[0]
	if k.home() != r.Slot {
		return nil
	}
	old, err := r.look(ctx, r.Slot)
	if err != nil {
		return err
	}
	there, err := r.inSlot(ctx, r.Slot)
	if err != nil || there == nil || r.useless(there) || !Encrypts(r.Slot, old.Certificate) {
		return err
	}
	if old.Keep, err = r.keep(ctx, k, old.Certificate, used); err != nil || old.Keep != 0 {
		return err
	}
	old.Key, old.Encrypts = true, true
	return r.UI.Replace(ctx, []Occupied{old.Occupied})
}

// keep has the old key, whose certificate that is, moved to a retired slot where the new one k
// takes its place; 0 where the card can't, or no slot is free.
func (r *run) keep(ctx context.Context, k *pendingKey, cert *x509.Certificate, used []piv.Slot) (s piv.Slot, err error) {
	if r.Card.Info().Firmware.Less(piv.FirstMoving) {
		return 0, nil
	}
	if k.Keep, err = r.retiredSlot(ctx, cert, used); err == nil && k.Keep == 0 {
		r.UI.Note("no retired slot is free to keep the old key in")
	}
	return k.Keep, err
}

// Encrypts reports whether a slot's key is one that messages are encrypted to.
func Encrypts(s piv.Slot, cert *x509.Certificate) bool {
	if cert == nil {
		return s == piv.SlotKeyManagement
	}
	return cert.KeyUsage&(x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment|x509.KeyUsageKeyAgreement) != 0
}

// retiredSlot is the first slot that an old key can be moved to: none that the CA has a use
// for, and one that is empty but for that key's certificate, which a run that was
// ended may have written there. 0 where there is none.
func (r *run) retiredSlot(ctx context.Context, cert *x509.Certificate, used []piv.Slot) (piv.Slot, error) {
	for _, s := range piv.RetiredSlots() {
		if slices.Contains(used, s) {
			continue
		}
		there, err := r.inSlot(ctx, s)
		if err != nil {
			return 0, err
		}
		found, err := r.look(ctx, s)
		if err != nil {
			return 0, err
		}
		empty := found.Certificate == nil && !found.unreadable || cert != nil && cert.Equal(found.Certificate)
		if there == nil && empty {
			return s, nil
		}
	}
	return 0, nil
}

// keptElsewhere reports whether a retired slot has the key of a certificate, and that too: what
// is without its key in another slot is what moving it has left there.
func (r *run) keptElsewhere(ctx context.Context, cert *x509.Certificate) (bool, error) {
	for _, s := range piv.RetiredSlots() {
		kept, err := r.matching(ctx, s)
		if err != nil && gone(err) {
			return false, err
		}
		if err == nil && kept.Equal(cert) {
			return true, nil
		}
	}
	return false, nil
}

// makeWay takes the old key away, and no other: to where it is kept, or for good.
func (r *run) makeWay(ctx context.Context, k *pendingKey) error {
	old := k.Replaced
	if k.Into == 0 {
		old = k.Before
	}
	there, err := r.inSlot(ctx, k.home())
	switch {
	case err != nil || there == nil:
		return err
	case !bytes.Equal(there, old):
		return &MismatchError{fmt.Sprintf("the key in slot %s is not the one that was to be replaced", k.home())}
	case k.Keep == 0:
		return r.Card.DeleteKey(ctx, k.home())
	}
	return r.retire(ctx, k, old)
}

// retire moves the old key to where it is kept, its certificate first.
func (r *run) retire(ctx context.Context, k *pendingKey, old []byte) error {
	r.step(StepRetire, k)
	cert, err := r.Card.Certificate(ctx, k.home())
	switch {
	case errors.Is(err, piv.ErrEmpty):
	case err != nil:
		return err
	case bytes.Equal(cert.RawSubjectPublicKeyInfo, old):
		if err := r.Card.SetCertificate(ctx, k.Keep, cert); err != nil {
			return err
		}
	}
	if err := r.Card.MoveKey(ctx, k.home(), k.Keep); err != nil {
		return err
	}
	r.UI.Note(fmt.Sprintf("slot %s keeps the old key from now on: what was encrypted to it can be read", k.Keep))
	return nil
}

// keptKeys are the old keys that the card has kept.
func (r *run) keptKeys(ctx context.Context) (all []Retired, err error) {
	for _, k := range r.entry.Keys {
		if k.Keep == 0 {
			continue
		}
		found, err := r.look(ctx, k.Keep)
		if err != nil {
			return nil, err
		}
		all = append(all, Retired{Slot: k.Keep, Certificate: found.Certificate})
	}
	return all, nil
}

// history has the card tell other programs of the retired slots in use. The keys are of use
// without it: where there is no room for it, it goes on.
func (r *run) history(ctx context.Context) error {
	last := lastRetired(r.entry.Keys)
	if last == 0 {
		return nil
	}
	r.UI.Step(StepHistory)
	err := r.Card.SetKeyHistory(ctx, last)
	if errors.Is(err, piv.ErrFull) {
		r.UI.Note("there is no room for it on the card: OpenSC may not see the keys in retired slots")
		return nil
	}
	return err
}

// lastRetired is the last retired slot that the keys, or those they replace, are for; 0
// where there is none.
func lastRetired(keys []*pendingKey) (last piv.Slot) {
	for _, k := range keys {
		for _, s := range []piv.Slot{k.home(), k.Keep} {
			if slices.Contains(piv.RetiredSlots(), s) {
				last = max(last, s)
			}
		}
	}
	return last
}
