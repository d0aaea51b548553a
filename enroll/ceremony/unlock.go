package ceremony

import (
	"context"
	"errors"
	"fmt"

	"signet/piv"
)

// enter verifies the PIN. It changes nothing on the card.
func (r *run) enter(ctx context.Context) error {
	if r.entered {
		return nil
	}
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
	if err := r.factorySecrets(ctx); err != nil {
		return err
	}
	isNew := false
	if r.maybeNew(factory) {
		if isNew, tries, err = r.factoryPIN(ctx, tries); err != nil {
			return err
		}
	}
	if !isNew {
		if err := r.verify(ctx, tries); err != nil {
			return err
		}
	}
	r.isNew, r.factory, r.entered = isNew || r.pin == factoryPIN, factory, true
	return nil
}

// unlock verifies the PIN, if that wasn't done, and opens the management key. A card with the
// factory's secrets gets others first, and one without CHUID and CCC gets those.
func (r *run) unlock(ctx context.Context) error {
	if r.open {
		return nil
	}
	if err := r.enter(ctx); err != nil {
		return err
	}
	isNew, factory := r.isNew, r.factory
	if isNew || r.settingUp {
		if err := r.setTries(ctx, isNew && factory); err != nil {
			return err
		}
	}
	if err := r.secure(ctx, isNew); err != nil {
		return err
	}
	if err := r.reconnect(ctx); err != nil {
		return err
	}
	if !r.renewing || r.told.Known && r.told.PUK {
		if err := r.kept(ctx); err != nil {
			return err
		}
	}
	if err := r.manage(ctx, factory); err != nil {
		return err
	}
	r.open = true
	return nil
}

// manage opens the management key, a new one where it is the factory's, and sees to
// what else wants it.
func (r *run) manage(ctx context.Context, factory bool) error {
	if factory {
		r.UI.Step(StepManage)
		r.secured = true
		if err := r.Card.NewManagementKey(ctx, r.pin); err != nil {
			return err
		}
	} else if err := r.Card.UseManagementKey(ctx, r.pin); err != nil {
		return err
	}
	return r.identify(ctx)
}

// identify writes CHUID and CCC where they are missing. The card is of use
// without them: where there is no room for them, it goes on.
func (r *run) identify(ctx context.Context) error {
	ids, err := r.Card.Identifiers(ctx)
	if err != nil || ids.CHUID && ids.CCC {
		return err
	}
	r.UI.Step(StepIdentify)
	err = r.Card.SetIdentifiers(ctx)
	if errors.Is(err, piv.ErrFull) {
		r.UI.Note("there is no room for them on the card: Windows and macOS may not see it")
		return nil
	}
	return err
}

// factorySecrets has the card tell whether PIN and PUK are the factory's. A PUK that is
// blocked is nobody's: it can't be replaced.
func (r *run) factorySecrets(ctx context.Context) (err error) {
	if r.told, err = r.Card.FactorySecrets(ctx); err != nil || !r.told.PUK {
		return err
	}
	left, known, err := r.Card.PUKTries(ctx)
	if known && left == 0 {
		r.told.PUK = false
		r.UI.Note(blockedPUK)
	}
	return err
}

const blockedPUK = "the PUK is blocked: should the PIN be forgotten, only \"signet card reset\" remains"

// maybeNew reports whether the card may have the factory's PIN: where it tells, that
// settles it. Else one with a management key of its own, or whose PIN we have set, hasn't.
func (r *run) maybeNew(factory bool) bool {
	if r.told.Known {
		return r.told.PIN
	}
	return factory && !r.entry.PINSet
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
// left after. Where the card doesn't tell, it is guessed, and only where two are left
// should it be wrong: one for the person, and one never to be spent.
func (r *run) factoryPIN(ctx context.Context, tries int) (isNew bool, left int, err error) {
	if tries < 3 && !r.told.Known {
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
func (r *run) secure(ctx context.Context, isNew bool) error {
	if !isNew {
		return r.leftPUK(ctx)
	}
	r.UI.Step(StepSecure)
	if r.entry.PINSet {
		// The card was reset since: what the journal knows of its PUK is past.
		r.entry.PINSet, r.entry.PUKTried, r.entry.PUKSettled, r.entry.PUK = false, 0, false, keptPUK{Absent: r.entry.PUK.Absent}
	}
	wantsPUK, note := r.wantsPUK()
	r.UI.Note("this card has the factory's PIN: it gets " + note)
	pin, err := askNew(ctx, r.UI.NewPIN, CheckPIN)
	if err != nil {
		return err
	}
	if wantsPUK {
		if err := r.newPUK(ctx, pin); err != nil {
			return err
		}
	}
	if err := r.Card.ChangePIN(ctx, factoryPIN, pin); err != nil {
		return err
	}
	r.pin, r.secured, r.entry.PINSet = pin, true, true
	return r.save()
}

// leftPUK sees to the factory's PUK on a card whose PIN is another already: whoever has the
// card has its PIN. A set-up replaces it; else it is said, since nobody may be
// there to ask for another.
func (r *run) leftPUK(ctx context.Context) error {
	if !r.told.Known || !r.told.PUK || r.keeping() {
		return nil
	}
	if !r.settingUp && !r.NewPUK {
		r.UI.Note("the card's PUK is the factory's, with which anyone can set a new PIN: signet card change-puk")
		return nil
	}
	r.UI.Step(StepSecure)
	r.UI.Note("this card has the factory's PUK: it gets a new one")
	r.secured = true
	return r.newPUK(ctx, r.pin)
}

// wantsPUK reports whether the factory's PUK is to be presented, and what the person is told.
func (r *run) wantsPUK() (wants bool, note string) {
	switch {
	case r.told.Known && r.told.PUK, !r.told.Known && !r.entry.PUKSettled && r.entry.PUKTried < maxPUKTried:
		return true, "a new PIN and a new PUK"
	case r.told.Known && r.entry.PUKTried == 0:
		return false, "a new PIN; its PUK is not the factory's, and stays"
	case r.told.Known, r.entry.PUKSettled:
		return false, "a new one; its PUK was seen to by an earlier run, and stays"
	}
	return false, "a new one. Its PUK may still be the factory's, which is not tried " +
		"a third time: change it with \"signet card change-puk\""
}

func (r *run) newPUK(ctx context.Context, pin string) error {
	if r.keeping() {
		return r.keepFactory(ctx)
	}
	puk, err := askNew(ctx, r.UI.NewPUK, func(puk string) error { return CheckPUK(puk, pin) })
	if err != nil {
		return err
	}
	return r.replacePUK(ctx, puk)
}

// maxPUKTried is how often the factory's PUK is presented to a card that doesn't tell
// whether it has it, and doesn't answer, because it is pulled out right then. Of the
// three tries that a card gives, one is left in the worst case.
const maxPUKTried = 2

// replacePUK presents the factory's PUK until the card has answered. Where an earlier run was
// ended before the answer, either PUK may be in force, and on an old card only trying tells:
// a card must not be left with the factory's.
func (r *run) replacePUK(ctx context.Context, puk string) error {
	again := r.entry.PUKTried > 0
	r.entry.PUKTried++
	if err := r.save(); err != nil {
		return err
	}
	err := r.Card.ChangePUK(ctx, factoryPUK, puk)
	refused := errors.As(err, new(*piv.WrongPINError))
	switch {
	case errors.Is(err, piv.ErrPUKBlocked):
		r.UI.Note(blockedPUK)
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
