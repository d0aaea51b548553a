package ceremony

import (
	"context"
	"errors"
	"fmt"

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
			if refused != nil {
				return fmt.Errorf("%w; %w", refused, err)
			}
			return err
		}
		pin, err := r.UI.PIN(ctx, tries, refused)
		if err != nil {
			return err
		}
		if refused = CheckLength("PIN", pin); refused != nil {
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
	if r.entry.PINSet {
		// The card was reset since: what the journal knows of its PUK is past.
		r.entry.PINSet, r.entry.PUKTried, r.entry.PUKSettled = false, 0, false
	}
	wantsPUK := !r.entry.PUKSettled && r.entry.PUKTried < maxPUKTried
	switch {
	case wantsPUK:
		r.UI.Note("this card has the factory's PIN: it gets a new PIN and a new PUK")
	case r.entry.PUKSettled:
		r.UI.Note("this card has the factory's PIN: it gets a new one; its PUK was seen to by an earlier run, and stays")
	default:
		r.UI.Note("this card has the factory's PIN: it gets a new one. Its PUK may still be the factory's, which is not tried " +
			"a third time: change it with \"ykman piv access change-puk\"")
	}
	pin, err := askNew(ctx, r.UI.NewPIN, CheckPIN)
	if err != nil {
		return err
	}
	if wantsPUK {
		puk, err := askNew(ctx, r.UI.NewPUK, func(puk string) error { return CheckPUK(puk, pin) })
		if err != nil {
			return err
		}
		if err := r.replacePUK(ctx, puk); err != nil {
			return err
		}
	}
	if err := r.Card.ChangePIN(ctx, factoryPIN, pin); err != nil {
		return err
	}
	r.pin, r.secured, r.entry.PINSet = pin, true, true
	return r.save()
}

// maxPUKTried is how often the factory's PUK is presented to a card that doesn't
// answer, because it is pulled out right then. Of the three tries that a card
// gives, one is left in the worst case.
const maxPUKTried = 2

// replacePUK presents the factory's PUK until the card has answered: how many
// tries of it are left is nothing a card tells by piv.Card. Where an earlier run was
// ended before the answer, either PUK may be in force, and only trying tells:
// a card must not be left with the factory's.
func (r *run) replacePUK(ctx context.Context, puk string) error {
	again := r.entry.PUKTried > 0
	r.entry.PUKTried++
	if err := r.save(); err != nil {
		return err
	}
	err := r.Card.ChangePUK(ctx, factoryPUK, puk)
	refused := errors.As(err, new(*piv.WrongPINError)) || errors.Is(err, piv.ErrPUKBlocked)
	switch {
	case refused && again:
		r.UI.Note("the PUK is no longer the factory's: the one that an earlier run was given is in force")
	case refused:
		r.UI.Note("the PUK is not the factory's: it stays as it is")
	case err != nil:
		return err
	}
	r.entry.PUKSettled = true
	return r.save()
}
