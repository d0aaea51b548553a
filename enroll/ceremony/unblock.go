package ceremony

import (
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
// before. unblocked reports that a run before has set a new PIN with it.
func Unsettled(ctx context.Context, cfg Config, ca Releaser) (unblocked bool, err error) {
	r, err := newRun(cfg)
	if err != nil {
		return false, err
	}
	if !r.entry.PUK.Set || len(r.entry.PUK.Presented) == 0 {
		return false, nil
	}
	unblocked = r.entry.PUK.Unblocked
	if err := r.confirm(ctx, ca); err != nil {
		return false, err
	}
	return unblocked, r.tidy()
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
	if r.pin, err = askNew(ctx, r.UI.NewPIN, CheckPIN); err != nil {
		return err
	}
	puk, err := r.drawPUK(ctx, ca)
	if err != nil {
		return err
	}
	r.UI.Step(StepTake)
	released, err := ca.TakePUK(ctx, asked.Card, asked.Number)
	if err != nil {
		return fmt.Errorf("taking the PUK: %w", err)
	}
	if err := r.replaceReleased(ctx, released, puk); err != nil {
		return err
	}
	return r.unblock(ctx, ca, puk)
}

// replaceReleased gives the card puk in place of the one that it has of those released. It
// spends the last try only where there is but one: then nobody has another.
func (r *run) replaceReleased(ctx context.Context, released *enroll.ReleasedPUK, puk string) error {
	r.UI.Step(StepReplace)
	next := r.entry.PUK.Presented[len(r.entry.PUK.Presented)-1] // the CA keeps it already
	olds := slices.DeleteFunc(released.PUKs, func(p enroll.PUK) bool { return p.ID == next })
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
		if refused, err = r.present(ctx, old.PUK, puk); refused == nil || err != nil {
			return err
		}
	}
	if refused == nil {
		return errors.New("the CA released no PUK")
	}
	return errors.Join(fmt.Errorf("the PUK that the CA keeps is not the card's: %w", refused), r.withdraw())
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
	return nil
}
