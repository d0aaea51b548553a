package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"signet/enroll"
	"signet/internal/problem"
	"signet/piv"
)

// A Keeper is what of [enroll.Client] keeps cards' PUKs.
type Keeper interface {
	PUK(ctx context.Context, card uint32) (*enroll.KeptPUK, error)
	PutPUK(ctx context.Context, card uint32, sealed enroll.SealedPUK) error
	ConfirmPUK(ctx context.Context, card uint32, ids ...string) error
}

// ErrPUKUnknown is a card that was pulled out twice as it was given a PUK, and doesn't
// tell whether it took it.
var ErrPUKUnknown = errors.New("the card may have the factory's PUK or one that the CA keeps, and doesn't tell which")

// A keptPUK is what the journal knows of PUKs that the CA keeps; no PUK is in it.
// What is in it has not been confirmed to the CA.
type keptPUK struct {
	// Presented are the IDs of PUKs that the card may have, the latest last. Each is
	// in it before the card gets the PUK.
	Presented []string `json:"presented,omitempty"`
	// Set tells that the card has taken the last of them.
	Set bool `json:"set,omitempty"`
	// Factory tells that the one before them was the factory's.
	Factory bool `json:"factory,omitempty"`
	// Unblocked tells that a new PIN was set by the last of them.
	Unblocked bool `json:"unblocked,omitempty"`
	// Absent are the IDs of PUKs that the CA keeps and the card surely hasn't: they were
	// never presented to it, or it has refused them. No try is spent on them.
	Absent []string `json:"absent,omitempty"`
}

// maxAbsent bounds them: the CA keeps no more of one card.
const maxAbsent = 16

// absent notes a PUK that the card hasn't.
func (k *keptPUK) absent(id string) {
	k.Presented = slices.DeleteFunc(k.Presented, func(other string) bool { return other == id })
	if !slices.Contains(k.Absent, id) {
		k.Absent = append(k.Absent, id)
		k.Absent = k.Absent[max(0, len(k.Absent)-maxAbsent):]
	}
}

// may notes a PUK that the card may have from now on.
func (k *keptPUK) may(id string) {
	k.Absent = slices.DeleteFunc(k.Absent, func(other string) bool { return other == id })
	if !slices.Contains(k.Presented, id) {
		k.Presented, k.Set = append(k.Presented, id), false
	}
}

// A drawnPUK is one that the CA keeps, and the card is about to get.
type drawnPUK struct{ id, puk string }

// keeping reports whether the CA is to keep the card's PUK.
func (r *run) keeping() bool { return r.escrow != nil }

// offered takes from the offer what seals the card's PUK.
func (r *run) offered(offer *enroll.Offer) (err error) {
	r.escrow = nil
	if offer.Plan.PUKEscrow && len(offer.EscrowKey) > 0 {
		r.escrow, err = enroll.ParseEscrowPublic(offer.EscrowKey)
	}
	return err
}

// drawPUK draws a PUK and has the CA keep it, before the card gets it. The journal has it
// first: nobody is to try it at the card unless it was presented to it.
func (r *run) drawPUK(ctx context.Context, keeper Keeper) (drawn drawnPUK, err error) {
	drawn.puk = enroll.NewPUK()
	for CheckPUK(drawn.puk, r.pin) != nil {
		drawn.puk = enroll.NewPUK()
	}
	card := r.Card.Info().Serial
	sealed, err := r.escrow.Seal(card, drawn.puk)
	if err != nil {
		return drawn, err
	}
	drawn.id = sealed.ID()
	r.UI.Step(StepKeep)
	before := slices.Clone(r.entry.PUK.Absent)
	r.entry.PUK.absent(drawn.id)
	if err := r.save(); err != nil {
		return drawn, err
	}
	if err := keeper.PutPUK(ctx, card, sealed); err != nil {
		err = fmt.Errorf("having the CA keep the PUK: %w", err)
		if errors.As(err, new(*problem.Problem)) { // it doesn't
			r.entry.PUK.Absent = before
			return drawn, errors.Join(err, r.tidy())
		}
		return drawn, err
	}
	return drawn, nil
}

// present gives the card the PUK that was drawn in place of old. Refused is nil where the card
// took it, and why where it surely didn't.
func (r *run) present(ctx context.Context, old string, drawn drawnPUK) (refused, err error) {
	k := &r.entry.PUK
	k.may(drawn.id)
	if err := r.save(); err != nil {
		return nil, err
	}
	err = r.Card.ChangePUK(ctx, old, drawn.puk)
	switch {
	case err == nil:
		k.Presented, k.Set = []string{drawn.id}, true
		return nil, r.save()
	case errors.As(err, new(*piv.WrongPINError)), errors.Is(err, piv.ErrPUKBlocked):
		k.absent(drawn.id)
		return err, r.save()
	}
	return nil, err
}

// confirm tells the CA that the card has one of the PUKs presented.
func (r *run) confirm(ctx context.Context, keeper Keeper) error {
	err := keeper.ConfirmPUK(ctx, r.Card.Info().Serial, r.entry.PUK.Presented...)
	if err != nil && !refusedBy(err, "escrow.none") {
		return fmt.Errorf("telling the CA of the card's PUK: %w", err)
	}
	if err != nil { // it has lost what it kept: the next run begins anew
		r.entry.PUK = keptPUK{}
		return errors.Join(fmt.Errorf("telling the CA of the card's PUK: %w", err), r.save())
	}
	r.entry.PUK = keptPUK{}
	return r.save()
}

// keepFactory replaces the factory's PUK by one that nobody is shown. One that the card
// refuses is left to [run.kept].
func (r *run) keepFactory(ctx context.Context) error {
	if r.told.Known { // then it has none of those presented before
		r.entry.PUK = keptPUK{Absent: r.entry.PUK.Absent}
	}
	drawn, err := r.drawPUK(ctx, r.ca)
	if err != nil {
		return err
	}
	r.entry.PUK.Factory = true
	r.entry.PUKTried++
	refused, err := r.present(ctx, factoryPUK, drawn)
	if err != nil {
		return err
	}
	r.entry.PUKSettled, r.told.PUK = true, false
	switch {
	case errors.Is(refused, piv.ErrPUKBlocked):
		return errors.Join(refused, r.save())
	case refused != nil:
		return r.save()
	}
	return r.confirm(ctx, r.ca)
}

// kept sees to it that the CA keeps the card's PUK, also of a card that was set up
// before: then it asks for the PUK in force and replaces it.
func (r *run) kept(ctx context.Context) error {
	if !r.keeping() {
		return nil
	}
	if r.told.Known && r.told.PUK { // also of a card that was reset since
		return r.keepFactory(ctx)
	}
	k := &r.entry.PUK
	now, err := r.ca.PUK(ctx, r.Card.Info().Serial)
	if err != nil {
		return fmt.Errorf("asking which PUK the CA keeps: %w", err)
	}
	k.Presented = slices.DeleteFunc(k.Presented, func(id string) bool { return !slices.Contains(now.Pending, id) && id != now.Current })
	settled := k.Set || k.Factory && (r.told.Known || r.entry.PUKSettled)
	switch {
	case len(k.Presented) > 0 && settled:
		return r.confirm(ctx, r.ca)
	case now.Current != "":
		return nil
	case k.Factory && len(k.Presented) > 0:
		return ErrPUKUnknown
	}
	return r.keepAsked(ctx)
}

// keepLate is [run.kept] for a run that went on with a request which the CA then refused
// because it keeps no PUK of the card.
func (r *run) keepLate(ctx context.Context) error {
	if _, err := r.plan(ctx); err != nil {
		return err
	}
	return r.kept(ctx)
}

// keepAsked replaces the PUK that the person knows. The last try is not spent.
func (r *run) keepAsked(ctx context.Context) error {
	left, _, err := PUKTries(ctx, r.Card)
	if err != nil {
		return err
	}
	r.UI.Note("the CA keeps the PUKs of such cards: this one gets a new PUK in place of its present one")
	earlier := len(r.entry.PUK.Presented) > 0
	var refused error
	for {
		old, err := r.UI.PUK(ctx, left, refused)
		if err != nil {
			return err
		}
		if refused = CheckLength("PUK", old); refused != nil {
			continue
		}
		if refused, err = r.keepInstead(ctx, old); refused == nil || err != nil {
			return err
		}
		var wrong *piv.WrongPINError
		if !errors.As(refused, &wrong) {
			return refused
		}
		if left = wrong.Tries; left > 1 {
			continue
		}
		if earlier { // wrong twice: then it is the one that an earlier run gave the card
			return r.confirm(ctx, r.ca)
		}
		return fmt.Errorf("%w; %w", refused, ErrLastPUKTry)
	}
}

// keepInstead replaces old by a PUK that the CA keeps.
func (r *run) keepInstead(ctx context.Context, old string) (refused, err error) {
	drawn, err := r.drawPUK(ctx, r.ca)
	if err != nil {
		return nil, err
	}
	if refused, err = r.present(ctx, old, drawn); err != nil || refused != nil {
		return refused, err
	}
	return nil, r.confirm(ctx, r.ca)
}
