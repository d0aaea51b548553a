package ceremony

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/enroll"
	"signet/piv"
)

// A Releaser is what of [enroll.Client] gives out cards' PUKs.
type Releaser interface {
	Keeper
	AskPUK(ctx context.Context, card uint32, reason string) (*enroll.Asked, error)
	AskedPUK(ctx context.Context, card uint32, number uint64) (*enroll.Asked, error)
	TakePUK(ctx context.Context, card uint32, number uint64) (*enroll.ReleasedPUK, error)
}

var _ Releaser = (*enroll.Client)(nil)

// A PUKRefusedError is a request for a PUK that came to nothing.
type PUKRefusedError struct{ Request enroll.PUKRequest }

func (e *PUKRefusedError) Error() string {
	switch e.Request.State {
	case enroll.PUKDenied:
		return fmt.Sprintf("an officer has denied request %d", e.Request.Number)
	case enroll.PUKTaken:
		return fmt.Sprintf("the PUK was given out for request %d already", e.Request.Number)
	}
	return fmt.Sprintf("the time of request %d is over", e.Request.Number)
}

// An UnconfirmedError is a card that has a new PIN and a new PUK, and a CA that could
// not be told. The journal knows, and the next run tells it.
type UnconfirmedError struct{ Err error }

func (e *UnconfirmedError) Error() string {
	return "the card has its new PIN; only the CA could not be told of its new PUK: " + e.Err.Error()
}
func (e *UnconfirmedError) Unwrap() error { return e.Err }

// A NoPUKError is a CA that has no PUK to give which the card can have: what it keeps it
// can't open, or the card was never given it, or has refused it. No try is spent.
type NoPUKError struct {
	Card    uint32
	Request uint64 // 0 where none was made
	Taken   bool   // the request is used up by it
}

func (e *NoPUKError) Error() string {
	text := fmt.Sprintf("the CA has no PUK that card %d can have: none that it can open", e.Card)
	switch {
	case e.Taken:
		text += fmt.Sprintf(". No PUK try was spent, but request %d is used up", e.Request)
	case e.Request != 0:
		text += fmt.Sprintf(". Nothing was changed, and request %d stays approved", e.Request)
	}
	return text
}

// How long a waiting client lets pass between two looks at its request.
const (
	firstLook = time.Second
	lastLook  = 10 * time.Second
)

// AwaitPUK asks for the card's PUK and waits until an officer has approved it. told is
// called with the request, once. It needs no card, which others may use meanwhile. Ended
// by its context, and run again, it goes on waiting for the same request. It fails
// with *[PUKRefusedError].
func AwaitPUK(ctx context.Context, ca Releaser, card uint32, reason string, told func(*enroll.Asked)) (*enroll.Asked, error) {
	asked, err := ca.AskPUK(ctx, card, reason)
	if err != nil {
		return nil, fmt.Errorf("asking for the PUK: %w", err)
	}
	told(asked)
	for wait := firstLook; ; wait = min(wait*5/4, lastLook) {
		switch asked.State {
		case enroll.PUKApproved:
			return asked, nil
		case enroll.PUKOpen:
		default:
			return nil, &PUKRefusedError{asked.PUKRequest}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		now, err := ca.AskedPUK(ctx, card, asked.Number)
		if errors.Is(err, enroll.ErrUnreachable) && ctx.Err() == nil {
			continue // it may be back before the request ends
		}
		if err != nil {
			return nil, fmt.Errorf("asking how the request stands: %w", err)
		}
		asked = now
	}
}

// Unsettled tells the CA of a PUK that the card has and that it could not be told of
// before. unblocked reports that a run before has set a new PIN with it. It fails with
// *[NoPUKError] where there is no use in asking for the PUK.
func Unsettled(ctx context.Context, cfg Config, ca Releaser) (unblocked bool, err error) {
	r, err := newRun(cfg)
	if err != nil {
		return false, err
	}
	if !r.entry.PUK.Set || len(r.entry.PUK.Presented) == 0 {
		kept, hopeless, err := r.hopeless(ctx, ca)
		if err == nil && hopeless && len(kept.Pending) > 0 { // else the CA says what it is
			err = &NoPUKError{Card: kept.Card}
		}
		return false, err
	}
	unblocked = r.entry.PUK.Unblocked
	if err := r.confirm(ctx, ca); err != nil {
		return false, err
	}
	return unblocked, r.tidy()
}

// hopeless reports whether the card has none of the PUKs that the CA keeps and can open.
func (r *run) hopeless(ctx context.Context, keeper Keeper) (*enroll.KeptPUK, bool, error) {
	kept, err := keeper.PUK(ctx, r.Card.Info().Serial)
	if err != nil {
		return nil, false, fmt.Errorf("asking which PUK the CA keeps: %w", err)
	}
	could := slices.ContainsFunc(append(kept.Pending, kept.Current), func(id string) bool {
		return id != "" && !slices.Contains(r.entry.PUK.Absent, id)
	})
	return kept, !could, nil
}

// Unblock takes the PUK that was approved, gives the card another one that the CA keeps,
// and sets a new PIN. The PUK that was given out comes to an end before it has served: whoever
// has seen it has nothing. What can be refused or fail comes before it is taken.
func Unblock(ctx context.Context, cfg Config, ca Releaser, asked *enroll.Asked) error {
	r, err := newRun(cfg)
	if err != nil {
		return err
	}
	if r.escrow, err = enroll.ParseEscrowPublic(asked.EscrowKey); err != nil {
		return err
	}
	if _, _, err := PUKTries(ctx, r.Card); err != nil && !errors.Is(err, ErrLastPUKTry) {
		return err
	}
	if _, hopeless, err := r.hopeless(ctx, ca); err != nil || hopeless {
		return cmp.Or(err, error(&NoPUKError{Card: asked.Card, Request: asked.Number}))
	}
	if r.pin, err = askNew(ctx, r.UI.NewPIN, CheckPIN); err != nil {
		return err
	}
	drawn, err := r.drawPUK(ctx, ca)
	if err != nil {
		return err
	}
	r.UI.Step(StepTake)
	released, err := ca.TakePUK(ctx, asked.Card, asked.Number)
	if err != nil {
		return fmt.Errorf("taking the PUK: %w", err)
	}
	if err := r.replaceReleased(ctx, asked, released, drawn); err != nil {
		return err
	}
	return r.unblock(ctx, ca, drawn.puk)
}

// replaceReleased gives the card the PUK drawn in place of the one that it has of those released:
// no try is spent on those that it can't have. It spends the last try only where there is
// but one: then nobody has another.
func (r *run) replaceReleased(ctx context.Context, asked *enroll.Asked, released *enroll.ReleasedPUK, drawn drawnPUK) error {
	r.UI.Step(StepReplace)
	olds := slices.DeleteFunc(released.PUKs, func(p enroll.PUK) bool { return slices.Contains(r.entry.PUK.Absent, p.ID) })
	if len(olds) == 0 {
		return &NoPUKError{Card: asked.Card, Request: asked.Number, Taken: true}
	}
	if _, _, err := PUKTries(ctx, r.Card); err != nil && len(olds) > 1 {
		return err
	}
	var refused error
	for _, old := range olds {
		if refused != nil {
			if err := mayTryPUK(refused); err != nil {
				return fmt.Errorf("%w; %w", refused, err)
			}
		}
		var err error
		if refused, err = r.present(ctx, old.PUK, drawn); refused == nil || err != nil {
			return err
		}
		if errors.As(refused, new(*piv.WrongPINError)) {
			r.entry.PUK.absent(old.ID)
		}
	}
	return errors.Join(fmt.Errorf("the PUK that the CA keeps is not the card's: %w", refused), r.save())
}

// mayTryPUK refuses to go on where one try is left after this refusal, or none.
func mayTryPUK(refused error) error {
	var wrong *piv.WrongPINError
	switch {
	case !errors.As(refused, &wrong):
		return piv.ErrPUKBlocked
	case wrong.Tries <= 1:
		return ErrLastPUKTry
	}
	return nil
}

// unblock sets the new PIN by the new PUK and tells the CA.
func (r *run) unblock(ctx context.Context, ca Releaser, puk string) error {
	r.UI.Step(StepUnblock)
	if err := r.Card.UnblockPIN(ctx, puk, r.pin); err != nil {
		// The CA is told of the PUK all the same, if that can be.
		return errors.Join(err, r.confirm(ctx, ca))
	}
	r.entry.PUK.Unblocked = true
	if err := r.save(); err != nil {
		return err
	}
	if err := r.confirm(ctx, ca); err != nil {
		return &UnconfirmedError{err}
	}
	return r.tidy()
}

// tidy drops the journal's entry where nothing is pending any more.
func (r *run) tidy() error {
	if r.entry.idle() {
		return r.Journal.done(r.entry.Card)
	}
	return r.save()
}
