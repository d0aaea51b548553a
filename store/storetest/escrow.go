package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"signet/enroll"
	"signet/internal/audit"
)

func (f *fixture) kept() enroll.Kept {
	u := f.unique()
	return enroll.Kept{ID: fmt.Sprintf("%x", u[:16]), Sealed: append([]byte{1}, u[:]...), At: f.now}
}

const testCard = 4_000_000_001 // fixture.certificate's

var limit = enroll.RequestLimit{Count: 3, Within: time.Hour}

// put adds a pending PUK of the card.
func (f *fixture) putPUK(t *testing.T, account string, card uint32) enroll.Kept {
	t.Helper()
	k := f.kept()
	_, err := f.AddPUK(f.ctx, card, account, k, f.event("puk.put", fmt.Sprint(card)))
	must(t, err)
	return k
}

func (f *fixture) confirm(t *testing.T, account string, card uint32, ids ...string) enroll.Escrowed {
	t.Helper()
	e, err := f.ConfirmPUK(f.ctx, card, account, ids, f.event("puk.confirm", fmt.Sprint(card)))
	must(t, err)
	return e
}

// asked has the account ask for the PUK of a card that is proven to be its own.
func (f *fixture) asked(t *testing.T, account string, card uint32) enroll.PUKRequest {
	t.Helper()
	f.confirm(t, account, card, f.putPUK(t, account, card).ID)
	e := f.enrollment(account)
	e.Certificate.Card.Serial = card
	f.enrolled(t, e)
	r, fresh, err := f.ask(account, card, f.now, nil)
	must(t, err)
	equal(t, fresh, true)
	return r
}

func (f *fixture) ask(account string, card uint32, at time.Time, code *[32]byte) (enroll.PUKRequest, bool, error) {
	r := enroll.PUKRequest{Card: card, Account: account, Reason: "vergessen", Created: at, Expires: at.Add(time.Hour)}
	return f.AddPUKRequest(f.ctx, r, code, limit, f.event("puk.request", fmt.Sprint(card)))
}

func (f *fixture) decide(r enroll.PUKRequest, approve bool, at time.Time) (enroll.PUKRequest, error) {
	d := enroll.PUKDecision{Approve: approve, By: "an officer", At: at, Expires: at.Add(10 * time.Minute)}
	return f.DecidePUKRequest(f.ctx, r.Number, d, f.event("puk.decide", fmt.Sprint(r.Card)))
}

func (f *fixture) take(r enroll.PUKRequest, at time.Time) (enroll.Escrowed, error) {
	return f.TakePUK(f.ctx, r.Number, at, f.event("puk.release", fmt.Sprint(r.Card)))
}

func testEscrow(t *testing.T, f *fixture) {
	f.account(t, "alice")
	first := f.putPUK(t, "alice", 7)
	before := len(f.events(t))
	again, err := f.AddPUK(f.ctx, 7, "alice", first, f.event("puk.put", "7"))
	must(t, err)
	equal(t, again, enroll.Escrowed{Card: 7, Account: "alice", Pending: []enroll.Kept{first}})
	equal(t, len(f.events(t)), before) // nothing was changed
	equal(t, f.confirm(t, "alice", 7, first.ID).Current, &first)
	second, third, fourth := f.putPUK(t, "alice", 7), f.putPUK(t, "alice", 7), f.putPUK(t, "alice", 7)
	got, err := f.Escrowed(f.ctx, 7, "alice")
	must(t, err)
	equal(t, got.Candidates(), []enroll.Kept{first, fourth, third, second})

	// One of several is on the card: the last is the likeliest.
	f.confirm(t, "alice", 7, second.ID, third.ID)
	got, err = f.Escrowed(f.ctx, 7, "alice")
	must(t, err)
	equal(t, got, enroll.Escrowed{Card: 7, Account: "alice", Current: &third, Pending: []enroll.Kept{second}})
	f.confirm(t, "alice", 7, third.ID)
	before = len(f.events(t))
	got = f.confirm(t, "alice", 7, third.ID)
	equal(t, got, enroll.Escrowed{Card: 7, Account: "alice", Current: &third})
	equal(t, len(f.events(t)), before)

	// More and more pending ones push the oldest out, never the current one.
	var last enroll.Kept
	for range 20 {
		last = f.putPUK(t, "alice", 7)
	}
	got, err = f.Escrowed(f.ctx, 7, "alice")
	must(t, err)
	equal(t, got.Current, &third)
	equal(t, len(got.Pending), 8)
	equal(t, got.Pending[7], last)
}

func testEscrowRefused(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	k := f.putPUK(t, "alice", 7)
	_, err := f.Escrowed(f.ctx, 7, "bob")
	fails(t, err, enroll.ErrNotFound)
	_, err = f.Escrowed(f.ctx, 8, "alice")
	fails(t, err, enroll.ErrNotFound)
	none, err := f.EscrowedFor(f.ctx, 8)
	must(t, err)
	equal(t, len(none), 0)
	f.unchanged(t, enroll.ErrNotFound, func() error {
		_, err := f.AddPUK(f.ctx, 7, "carol", f.kept(), f.event("puk.put", "7"))
		return err
	})
	for _, test := range []struct {
		card    uint32
		account string
		ids     []string
	}{{7, "bob", []string{k.ID}}, {8, "alice", []string{k.ID}}, {7, "alice", []string{k.ID, "another"}}, {7, "alice", nil}} {
		f.unchanged(t, enroll.ErrNotFound, func() error {
			_, err := f.ConfirmPUK(f.ctx, test.card, test.account, test.ids, f.event("puk.confirm", "7"))
			return err
		})
	}
	// Serial numbers of cards that nobody has seen are cheap.
	for card := range uint32(enroll.MaxUnproven - 1) {
		f.putPUK(t, "alice", 1000+card)
	}
	f.unchanged(t, enroll.ErrTooOften, func() error {
		_, err := f.AddPUK(f.ctx, 999, "alice", f.kept(), f.event("puk.put", "999"))
		return err
	})
	f.putPUK(t, "alice", 1000) // known
	f.putPUK(t, "bob", 999)
	e := f.enrollment("alice")
	e.Certificate.Card.Serial = 7
	f.enrolled(t, e)
	f.putPUK(t, "alice", 999) // one was proven
}

func testEscrowProven(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	f.putPUK(t, "alice", testCard)
	f.putPUK(t, "bob", testCard)
	f.putPUK(t, "bob", testCard+1)
	proven := func() (who []string) {
		all, err := f.EscrowedFor(f.ctx, testCard)
		must(t, err)
		equal(t, len(all), 2)
		for _, e := range all {
			if !e.Proven.IsZero() {
				equal(t, e.Proven, f.now)
				who = append(who, e.Account)
			}
		}
		return who
	}
	equal(t, len(proven()), 0)
	f.enrolled(t, f.enrollment("alice"))
	equal(t, proven(), []string{"alice"})
	_, _, err := f.ask("bob", testCard, f.now, nil)
	fails(t, err, enroll.ErrNotFound)
	// The card has changed hands.
	f.enrolled(t, f.enrollment("bob"))
	equal(t, proven(), []string{"bob"})
	_, _, err = f.ask("alice", testCard, f.now, nil)
	fails(t, err, enroll.ErrNotFound)
	without := f.enrollment("alice")
	without.Certificate.Card = nil
	f.enrolled(t, without)
	equal(t, proven(), []string{"bob"})
}

func testPUKRequests(t *testing.T, f *fixture) {
	f.account(t, "alice")
	r := f.asked(t, "alice", testCard)
	events := f.events(t)
	equal(t, events[len(events)-1].Detail["request"], fmt.Sprint(r.Number))
	equal(t, r.State, enroll.PUKOpen)
	again, fresh, err := f.ask("alice", testCard, f.now.Add(time.Minute), nil)
	must(t, err)
	equal(t, fresh, false)
	equal(t, again, r)
	f.unchanged(t, enroll.ErrNotApproved, func() error { _, err := f.take(r, f.now); return err })

	approved, err := f.decide(r, true, f.now.Add(time.Minute))
	must(t, err)
	equal(t, approved.State, enroll.PUKApproved)
	equal(t, approved.Expires, f.now.Add(11*time.Minute))
	f.unchanged(t, enroll.ErrNotOpen, func() error { _, err := f.decide(r, false, f.now); return err })
	again, fresh, err = f.ask("alice", testCard, f.now.Add(2*time.Minute), nil)
	must(t, err)
	equal(t, fresh, false)
	equal(t, again, approved)
	f.unchanged(t, enroll.ErrNotApproved, func() error { _, err := f.take(r, approved.Expires); return err })

	e, err := f.take(r, f.now.Add(3*time.Minute))
	must(t, err)
	equal(t, e.Released, f.now.Add(3*time.Minute))
	f.unchanged(t, enroll.ErrNotApproved, func() error { _, err := f.take(r, f.now.Add(4*time.Minute)); return err })
	taken, err := f.PUKRequest(f.ctx, r.Number)
	must(t, err)
	equal(t, taken.State, enroll.PUKTaken)
	equal(t, taken.Taken, f.now.Add(3*time.Minute))
	// Replaced at use: it is no longer a released one.
	e = f.confirm(t, "alice", testCard, f.putPUK(t, "alice", testCard).ID)
	equal(t, e.Released.IsZero(), true)

	next, fresh, err := f.ask("alice", testCard, f.now.Add(5*time.Minute), nil)
	must(t, err)
	equal(t, fresh, true)
	denied, err := f.decide(next, false, f.now.Add(6*time.Minute))
	must(t, err)
	equal(t, denied.State, enroll.PUKDenied)
	f.unchanged(t, enroll.ErrNotApproved, func() error { _, err := f.take(next, f.now.Add(6*time.Minute)); return err })
	all, err := f.PUKRequests(f.ctx)
	must(t, err)
	equal(t, all, []enroll.PUKRequest{taken, denied})
	f.unchanged(t, enroll.ErrNotFound, func() error { _, err := f.take(enroll.PUKRequest{Number: 99}, f.now); return err })
	f.unchanged(t, enroll.ErrNotFound, func() error { _, err := f.decide(enroll.PUKRequest{Number: 99}, true, f.now); return err })

	must(t, f.Forget(f.ctx, taken.Taken.Add(enroll.KeepPUKRequests)))
	_, err = f.PUKRequest(f.ctx, taken.Number)
	fails(t, err, enroll.ErrNotFound)
	_, err = f.PUKRequest(f.ctx, denied.Number)
	must(t, err)
}

func testPUKRequestsBounded(t *testing.T, f *fixture) {
	f.account(t, "alice")
	r := f.asked(t, "alice", testCard)
	at := f.now
	for range 2 {
		_, err := f.decide(r, false, at)
		must(t, err)
		at = at.Add(time.Minute)
		r, _, err = f.ask("alice", testCard, at, nil)
		must(t, err)
	}
	// It is expired an hour after, when the first two have been forgotten.
	_, err := f.decide(r, true, r.Expires)
	fails(t, err, enroll.ErrNotOpen)
	_, err = f.decide(r, false, at)
	must(t, err)
	f.unchanged(t, enroll.ErrTooOften, func() error { _, _, err := f.ask("alice", testCard, at, nil); return err })
	_, fresh, err := f.ask("alice", testCard, f.now.Add(time.Hour), nil)
	must(t, err)
	equal(t, fresh, true)
}

func testPUKRequestByCode(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	r := f.asked(t, "alice", testCard)
	spent, foreign := f.code(t, "alice"), f.code(t, "bob")
	e := f.enrollment("alice")
	e.Code = &spent.Hash
	f.enrolled(t, e)
	for code, want := range map[*[32]byte]error{&spent.Hash: enroll.ErrCodeSpent, &foreign.Hash: enroll.ErrNotFound, new([32]byte): enroll.ErrNotFound} {
		f.unchanged(t, want, func() error { _, _, err := f.ask("alice", testCard, f.now, code); return err })
	}
	_, err := f.decide(r, false, f.now)
	must(t, err)
	f.unchanged(t, enroll.ErrCodeSpent, func() error { _, _, err := f.ask("alice", testCard, f.now, &spent.Hash); return err })
	good := f.code(t, "alice")
	r, fresh, err := f.ask("alice", testCard, f.now, &good.Hash)
	must(t, err)
	equal(t, fresh, true)
	got, err := f.Code(f.ctx, good.Hash)
	must(t, err)
	digest := r.Digest()
	equal(t, got.SpentOn, &digest)
	again, fresh, err := f.ask("alice", testCard, f.now, &good.Hash)
	must(t, err)
	equal(t, fresh, false)
	equal(t, again, r)
	// It is of no more use for enrolling, nor for another request.
	e = f.enrollment("alice")
	e.Code = &good.Hash
	f.unchanged(t, enroll.ErrCodeSpent, func() error { _, _, err := f.RecordEnrollment(f.ctx, e); return err })
	_, err = f.decide(r, false, f.now)
	must(t, err)
	f.unchanged(t, enroll.ErrCodeSpent, func() error { _, _, err := f.ask("alice", testCard, f.now, &good.Hash); return err })
}

func testPUKDecidedAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	r := f.asked(t, "alice", testCard)
	before := len(f.events(t))
	errs := together(8, func(i int) error { _, err := f.decide(r, i%2 == 0, f.now); return err })
	oneWins(t, errs, enroll.ErrNotOpen)
	equal(t, len(f.events(t)), before+1)
}

func testPUKTakenAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	r := f.asked(t, "alice", testCard)
	_, err := f.decide(r, true, f.now)
	must(t, err)
	before := len(f.events(t))
	errs := together(8, func(int) error { _, err := f.take(r, f.now); return err })
	oneWins(t, errs, enroll.ErrNotApproved)
	equal(t, len(f.events(t)), before+1)
}

func testPUKTakenWithoutRequest(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	var card enroll.Card
	refuse := errors.New("no")
	take := func(serial uint32) ([]enroll.Escrowed, error) {
		return f.TakePUKs(f.ctx, serial, f.now, func(c enroll.Card, all []enroll.Escrowed) ([]enroll.Escrowed, audit.Event, error) {
			card = c
			if len(all) == 0 || all[0].Card != 7 {
				return nil, audit.Event{}, refuse
			}
			return all, f.event("puk.release", "7"), nil
		})
	}
	f.unchanged(t, enroll.ErrNotFound, func() error { _, err := take(7); return err })
	a, b := f.putPUK(t, "alice", 7), f.putPUK(t, "bob", 7)
	before := len(f.events(t))
	all, err := take(7)
	must(t, err)
	equal(t, len(f.events(t)), before+1)
	equal(t, all, []enroll.Escrowed{
		{Card: 7, Account: "alice", Pending: []enroll.Kept{a}, Released: f.now},
		{Card: 7, Account: "bob", Pending: []enroll.Kept{b}, Released: f.now},
	})
	kept, err := f.EscrowedFor(f.ctx, 7)
	must(t, err)
	equal(t, kept, all)
	equal(t, card, enroll.Card{})

	// What is chosen is marked, and nothing where it is refused.
	f.putPUK(t, "alice", 8)
	f.putPUK(t, "bob", 8)
	f.put(t, enroll.Card{Serial: 8, State: enroll.CardInventory})
	f.unchanged(t, refuse, func() error { _, err := take(8); return err })
	equal(t, card.State, enroll.CardInventory)
	all, err = f.TakePUKs(f.ctx, 8, f.now, func(_ enroll.Card, all []enroll.Escrowed) ([]enroll.Escrowed, audit.Event, error) {
		return all[1:], f.event("puk.release", "8"), nil
	})
	must(t, err)
	kept, err = f.EscrowedFor(f.ctx, 8)
	must(t, err)
	equal(t, all, kept[1:])
	equal(t, kept[0].Released.IsZero(), true)
}

// Of a card that is lost, retired or another's by now no PUK is given out, not even one
// that was approved before.
func testPUKOfALostCard(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	f.putPUK(t, "alice", 11)
	f.enrolled(t, f.carded("alice", 11))
	r, _, err := f.ask("alice", 11, f.now, nil)
	must(t, err)
	_, err = f.decide(r, true, f.now)
	must(t, err)
	card := f.card(t, 11)
	for _, now := range []struct {
		state   enroll.CardState
		account string
		want    error
	}{
		{enroll.CardLost, "alice", enroll.ErrCardLost},
		{enroll.CardRetired, "alice", enroll.ErrCardRetired},
		{enroll.CardAssigned, "bob", enroll.ErrCardAssigned},
	} {
		card.State, card.Account = now.state, now.account
		f.put(t, card)
		f.unchanged(t, now.want, func() error { _, _, err := f.ask("alice", 11, f.now, nil); return err })
		f.unchanged(t, now.want, func() error { _, err := f.take(r, f.now); return err })
	}
	card.State, card.Account = enroll.CardAssigned, "alice"
	f.put(t, card)
	_, err = f.take(r, f.now)
	must(t, err)
}

// Whoever gets the name of an account that was removed has no right to its cards' PUKs.
func testPUKOfARemovedAccount(t *testing.T, f *fixture) {
	f.account(t, "alice")
	k := f.putPUK(t, "alice", 11)
	f.enrolled(t, f.carded("alice", 11))
	must(t, f.RemoveAccount(f.ctx, "alice", f.event("account.remove", "alice")))
	f.account(t, "alice")
	_, _, err := f.ask("alice", 11, f.now, nil)
	fails(t, err, enroll.ErrNotFound)
	all, err := f.EscrowedFor(f.ctx, 11)
	must(t, err)
	equal(t, all[0].Candidates(), []enroll.Kept{k}) // an officer still has it
}
