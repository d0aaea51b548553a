package ceremony

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"signet/enroll"
	"signet/piv"
)

// beside has the chosen key made in a free slot beside the one that it is for, where the
// CA takes a key from there and the card moves keys. It reports whether it will be.
func (r *run) beside(ctx context.Context, plan *enroll.Plan) (bool, error) {
	k := r.entry.Keys[0]
	_, holder := r.ca.(Renewer)
	if !holder || k.Slot != r.Slot || r.Card.Info().Firmware.Less(piv.FirstMoving) {
		return false, nil
	}
	for _, s := range plan.AlsoSlots {
		free, err := r.free(ctx, s)
		if err != nil {
			return false, err
		}
		if free && s != k.Slot {
			k.Slot, k.Into = s, k.Slot
			if k.Before, err = r.inSlot(ctx, k.Slot); err != nil {
				return false, err
			}
			k.Replaced, err = r.inSlot(ctx, k.Into)
			return true, err
		}
	}
	r.UI.Note(fmt.Sprintf("of the slots that the CA takes a new key from, %s, none is free: the new key is made where the old one is", slotsInWords(plan.AlsoSlots)))
	return false, nil
}

// free: neither key nor certificate in it, or a key of ours that the CA refused.
func (r *run) free(ctx context.Context, s piv.Slot) (bool, error) {
	there, err := r.inSlot(ctx, s)
	if err != nil {
		return false, err
	}
	if there != nil {
		return r.useless(there), nil
	}
	o, err := r.look(ctx, s)
	return o.Certificate == nil && !o.unreadable, err
}

// moved reports whether the key in the making is in its last place already.
func (r *run) moved(ctx context.Context, k *pendingKey) (bool, error) {
	if !k.Into.Valid() || !k.made() {
		return false, nil
	}
	there, err := r.inSlot(ctx, k.Into)
	return there != nil && bytes.Equal(there, k.Public), err
}

// swap puts the new key in the old one's place. Until the new certificate is on the
// card, and the new key has been proved to be its own, nothing of the old one is
// touched. What was done the card itself tells: cut anywhere, the next run goes on.
func (r *run) swap(ctx context.Context, k *pendingKey, cert *x509.Certificate) error {
	moved, err := r.moved(ctx, k)
	if err != nil {
		return err
	}
	if !moved {
		// Here it also turns out whether the card has room for it.
		if err := r.writeAndProve(ctx, k, k.Slot, cert); err != nil {
			return err
		}
		r.step(StepSwap, k)
		if err := r.makeWay(ctx, k); err != nil {
			return err
		}
		if err := r.Card.MoveKey(ctx, k.Slot, k.Into); err != nil {
			return err
		}
	}
	if err := r.writeAndProve(ctx, k, k.Into, cert); err != nil {
		return err
	}
	if err := r.Card.DeleteCertificate(ctx, k.Slot); err != nil && !errors.Is(err, piv.ErrEmpty) {
		return err
	}
	return nil
}

func (r *run) writeAndProve(ctx context.Context, k *pendingKey, s piv.Slot, cert *x509.Certificate) error {
	if err := r.write(ctx, k, s, cert); err != nil {
		return err
	}
	return r.proveIn(ctx, k, s, cert)
}
