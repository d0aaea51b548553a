package ceremony

import (
	"context"
	"crypto/x509"

	"signet/piv"
)

// generate makes the keys that are missing. What is about to happen is on disk before.
func (r *run) generate(ctx context.Context) error {
	if err := r.save(); err != nil {
		return err
	}
	for _, k := range r.entry.Keys {
		if k.made() {
			continue
		}
		if k.Keep != 0 && k.Into == 0 {
			if err := r.makeWay(ctx, k); err != nil {
				return err
			}
		}
		r.step(StepGenerate, k)
		pub, err := r.Card.Generate(ctx, k.Slot, piv.KeySpec{Algorithm: k.Algorithm, PINPolicy: k.PIN, TouchPolicy: k.Touch})
		if err != nil {
			return err
		}
		if k.Public, err = x509.MarshalPKIXPublicKey(pub); err != nil {
			return err
		}
		if err := r.save(); err != nil {
			return err
		}
	}
	return nil
}
