package enroll_test

import (
	"errors"
	"fmt"
	"testing"

	"signet/enroll"
	"signet/internal/audit"
)

func TestAnOfficerTakesAPUK(t *testing.T) {
	a, key := withKept(t)
	officer := a.enroll.Escrow()
	taking := enroll.Taking{Card: theCard, Reason: "the server was down", By: audit.Operator, Key: key.Public().ID()}
	all := must(officer.Take(ctx, taking))
	if puk, err := key.Open(theCard, all[0].Current.Sealed); err != nil || puk != "abcdefgh" {
		t.Errorf("%q, %v", puk, err)
	}
	if kept := must(officer.Kept(ctx, theCard)); kept[0].Released.IsZero() {
		t.Error("it is not marked as released")
	}
	last := a.lastEvent()
	if last.Action != "puk.release" || last.Object != fmt.Sprint(theCard) || last.Detail["reason"] != "the server was down" {
		t.Errorf("logged: %+v", last)
	}
	if _, err := officer.Take(ctx, enroll.Taking{Card: 1, Key: taking.Key}); !errors.Is(err, enroll.ErrNotFound) {
		t.Error(err)
	}
}

func (a *authority) lastEvent() (last audit.Event) {
	a.t.Helper()
	if err := a.store.Events(ctx, 0, func(e audit.Event) bool { last = e; return true }); err != nil {
		a.t.Fatal(err)
	}
	return last
}

// Of a card that is lost, retired or another's an officer gets its PUK only by saying so.
func TestAnOfficerTakesThePUKOfALostCard(t *testing.T) {
	a, key := withKept(t)
	officer := a.enroll.Escrow()
	taking := enroll.Taking{Card: theCard, By: audit.Operator, Key: key.Public().ID()}
	for _, now := range []struct {
		state   enroll.CardState
		account string
		want    error
	}{
		{enroll.CardLost, "alice", enroll.ErrCardLost},
		{enroll.CardRetired, "alice", enroll.ErrCardRetired},
		{enroll.CardAssigned, "bob", enroll.ErrCardAssigned},
	} {
		err := a.store.ChangeHolding(ctx, enroll.Holder{Card: theCard, At: a.now()}, func(h enroll.Holding) (enroll.Decision, error) {
			card := h.Cards[0]
			card.State, card.Account = now.state, now.account
			return enroll.Decision{Cards: []enroll.Card{card}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		before := a.lastEvent()
		if _, err := officer.Take(ctx, taking); !errors.Is(err, now.want) {
			t.Errorf("%s: %v", now.state, err)
		}
		if e := a.lastEvent(); !e.Time.Equal(before.Time) || e.Action != before.Action {
			t.Errorf("%s: logged %+v", now.state, e)
		}
		despite := taking
		despite.DespiteState = true
		if got := must(officer.Take(ctx, despite)); len(got) != 1 {
			t.Errorf("%s: %d", now.state, len(got))
		}
		if e := a.lastEvent(); e.Action != "puk.release" || e.Detail["despite"] != now.want.Error() {
			t.Errorf("%s: logged %+v", now.state, e)
		}
	}
}
