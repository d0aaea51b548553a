package ceremony

import (
	"context"
	"errors"

	"signet/piv"
)

// unlock verifies the PIN and opens the management key. A card with the
// factory's secrets gets others first.
func (r *run) unlock(ctx context.Context) error {
	r.UI.Step(StepUnlock)
	tries, err := r.Card.PINTries(ctx)
	if err != nil {
		return err
	}
	if err := mayTry(tries); err != nil {
		return err
	}
	factory, err := r.Card.FactoryManagementKey(ctx)
	if err != nil {
		return err
	}
	isNew := false
	if factory && !r.entry.PINSet {
		if isNew, tries, err = r.factoryPIN(ctx, tries); err != nil {
			return err
		}
	}
	if !isNew {
		if err := r.verify(ctx, tries); err != nil {
			return err
		}
	}
	if isNew || r.pin == factoryPIN {
		if err := r.secure(ctx); err != nil {
			return err
		}
	}
	if factory {
		r.UI.Step(StepManage)
		r.secured = true
		return r.Card.NewManagementKey(ctx, r.pin)
	}
	return r.Card.UseManagementKey(ctx, r.pin)
}

func mayTry(tries int) error {
	switch tries {
	case 0:
		return piv.ErrPINBlocked
	case 1:
		return ErrLastTry
	}
	return nil
}

// factoryPIN tries the PIN that cards come with, and says how many tries are
// left after. It is guessed only where two are left should it be wrong: one for
// the person, and one never to be spent.
func (r *run) factoryPIN(ctx context.Context, tries int) (isNew bool, left int, err error) {
	if tries < 3 {
		r.UI.Note("the card may have the factory's PIN; it is not tried, since only 2 tries are left")
		return false, tries, nil
	}
	err = r.Card.VerifyPIN(ctx, factoryPIN)
	var wrong *piv.WrongPINError
	if errors.As(err, &wrong) {
		return false, wrong.Tries, nil
	}
	if err != nil {
		return false, 0, err
	}
	r.pin = factoryPIN
	return true, tries, nil
}

// verify asks for the PIN until it is right or but one try is left.
func (r *run) verify(ctx context.Context, tries int) error {
	var refused error
	for {
		if err := mayTry(tries); err != nil {
			return errors.Join(refused, err)
		}
		pin, err := r.UI.PIN(ctx, tries, refused)
		if err != nil {
			return err
		}
		if len(pin) < 6 || len(pin) > 8 {
			// No card has such a PIN: don't spend a try on it.
			refused = &SecretError{"PIN", "has 6 to 8 characters on any card"}
			continue
		}
		err = r.Card.VerifyPIN(ctx, pin)
		var wrong *piv.WrongPINError
		if errors.As(err, &wrong) {
			tries, refused = wrong.Tries, err
			continue
		}
		r.pin = pin
		return err
	}
}

// secure replaces the factory's PUK, then its PIN. The PUK comes first: while
// the PIN is the factory's, the next run comes here again.
func (r *run) secure(ctx context.Context) error {
	r.UI.Step(StepSecure)
	r.UI.Note("this card has the factory's PIN: it gets a new PIN and a new PUK")
	if r.entry.PINSet {
		// The card was reset since: what the journal knows of its PUK is past.
		r.entry.PINSet, r.entry.PUKTried = false, false
	}
	pin, err := askNew(ctx, r.UI.NewPIN, CheckPIN)
	if err != nil {
		return err
	}
	puk, err := askNew(ctx, r.UI.NewPUK, func(puk string) error { return CheckPUK(puk, pin) })
	if err != nil {
		return err
	}
	if err := r.replacePUK(ctx, puk); err != nil {
		return err
	}
	if err := r.Card.ChangePIN(ctx, factoryPIN, pin); err != nil {
		return err
	}
	r.pin, r.secured, r.entry.PINSet = pin, true, true
	return r.save()
}

// replacePUK presents the factory's PUK, once for a card: how many tries of it
// are left is nothing a card tells by piv.Card.
func (r *run) replacePUK(ctx context.Context, puk string) error {
	if r.entry.PUKTried {
		return nil
	}
	r.entry.PUKTried = true
	if err := r.save(); err != nil {
		return err
	}
	err := r.Card.ChangePUK(ctx, factoryPUK, puk)
	if errors.As(err, new(*piv.WrongPINError)) || errors.Is(err, piv.ErrPUKBlocked) {
		r.UI.Note("the PUK is not the factory's: it stays as it is")
		return nil
	}
	return err
}
