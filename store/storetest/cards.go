package storetest

import (
	"errors"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
)

// carded is an enrollment that proves the card.
func (f *fixture) carded(account string, serial uint32) enroll.Enrollment {
	e := f.enrollment(account)
	e.Certificate.Card.Serial = serial
	e.Card = &enroll.Card{Serial: serial, Firmware: "5.7.1", FormFactor: "usb-c-keychain", FIPS: true, CSPN: true}
	return e
}

func (f *fixture) card(t *testing.T, serial uint32) enroll.Card {
	t.Helper()
	c, err := f.Card(f.ctx, serial)
	must(t, err)
	return c
}

func (f *fixture) put(t *testing.T, c enroll.Card) {
	t.Helper()
	must(t, f.ChangeHolding(f.ctx, enroll.Holder{Issuer: issuerA, Card: c.Serial, At: f.now}, func(enroll.Holding) (enroll.Decision, error) {
		return enroll.Decision{Cards: []enroll.Card{c}}, nil
	}))
}

// An enrollment makes the card the account's, and nobody else enrolls with it.
func testCards(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	_, err := f.Card(f.ctx, 11)
	fails(t, err, enroll.ErrNotFound)
	f.enrolled(t, f.carded("alice", 11))
	want := enroll.Card{
		Serial: 11, State: enroll.CardAssigned, Account: "alice", Firmware: "5.7.1", FormFactor: "usb-c-keychain", FIPS: true, CSPN: true,
		FirstSeen: f.now, Changed: f.now, Holders: []string{"alice"},
	}
	equal(t, f.card(t, 11), want)
	f.enrolled(t, f.carded("alice", 11))
	equal(t, f.card(t, 11), want)
	enrolls := func(account string, serial uint32) error {
		_, _, err := f.RecordEnrollment(f.ctx, f.carded(account, serial))
		return err
	}
	f.unchanged(t, enroll.ErrCardAssigned, func() error { return enrolls("bob", 11) })

	lost := want
	lost.State, lost.Note = enroll.CardLost, "in the trâm"
	lost.Held = []enroll.Held{{Serial: f.serial(), At: f.now}, {Serial: f.serial(), At: f.now.Add(time.Second)}}
	f.put(t, lost)
	equal(t, f.card(t, 11), lost)
	f.unchanged(t, enroll.ErrCardLost, func() error { return enrolls("alice", 11) })
	retired := want
	retired.State = enroll.CardRetired
	f.put(t, retired)
	f.unchanged(t, enroll.ErrCardRetired, func() error { return enrolls("alice", 11) })

	free := want
	free.State, free.Account = enroll.CardInventory, ""
	f.put(t, free)
	stands := f.enrolled(t, f.carded("bob", 11))
	want.Account, want.Holders = "bob", []string{"alice", "bob"}
	equal(t, f.card(t, 11), want)
	// A card on which bob's certificate stands stays his when he is removed, and after that
	// nobody's once it doesn't.
	must(t, f.RemoveAccount(f.ctx, "bob", f.event("account.remove", "bob")))
	equal(t, f.card(t, 11), want)
	f.unchanged(t, enroll.ErrCardAssigned, func() error { return enrolls("alice", 11) })
	f.account(t, "bob")
	equal(t, f.card(t, 11), want)
	must(t, f.RemoveAccount(f.ctx, "bob", f.event("account.remove", "bob")))
	must(t, f.Revoke(f.ctx, stands.Issuer, stands.Serial, ca.Revocation{At: f.now, Reason: ca.Superseded, By: "an officer"}, f.event("certificate.revoke", "bob")))
	f.account(t, "bob")
	want.Account, want.State = "", enroll.CardInventory
	equal(t, f.card(t, 11), want)
	held := f.enrolled(t, f.carded("bob", 11))
	must(t, f.Revoke(f.ctx, held.Issuer, held.Serial, ca.Revocation{At: f.now, Reason: ca.CertificateHold, By: "an officer"}, f.event("certificate.hold", "bob")))
	must(t, f.RemoveAccount(f.ctx, "bob", f.event("account.remove", "bob")))
	want.Account, want.State = "bob", enroll.CardAssigned
	equal(t, f.card(t, 11), want)

	must(t, enrolls("alice", 5))
	var serials []uint32
	must(t, f.Cards(f.ctx, func(c enroll.Card) bool { serials = append(serials, c.Serial); return true }))
	equal(t, serials, []uint32{5, 11})

	f.put(t, enroll.Card{Serial: 25, State: enroll.CardInventory})
	must(t, f.ChangeHolding(f.ctx, enroll.Holder{Issuer: issuerA, Card: 25, At: f.now}, func(enroll.Holding) (enroll.Decision, error) {
		return enroll.Decision{Forget: []uint32{25}}, nil
	}))
	_, err = f.Card(f.ctx, 25)
	fails(t, err, enroll.ErrNotFound)
}

// What is on a card that is lost or retired is not renewed, wherever the new key is.
func testCardsRenewal(t *testing.T, f *fixture) {
	f.account(t, "alice")
	old := f.enrolled(t, f.carded("alice", 11))
	renew := func() error {
		e := f.carded("alice", 12)
		e.Renews = &old.Serial
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	}
	must(t, renew())
	c := f.card(t, 11)
	c.State = enroll.CardLost
	f.put(t, c)
	f.unchanged(t, enroll.ErrCardLost, renew)
	c.State = enroll.CardRetired
	f.put(t, c)
	f.unchanged(t, enroll.ErrCardRetired, renew)
}

// A new card goes to one of those who enroll with it at once.
func testCardAtOnce(t *testing.T, f *fixture) {
	names := []string{"alice", "bob", "carol", "dave"}
	for _, name := range names {
		f.account(t, name)
	}
	oneWins(t, together(len(names), func(i int) error {
		_, _, err := f.RecordEnrollment(f.ctx, f.carded(names[i], 11))
		return err
	}), enroll.ErrCardAssigned)
}

func testAddCards(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.enrolled(t, f.carded("alice", 2))
	var cards []enroll.Card
	for i := range uint32(1200) {
		cards = append(cards, enroll.Card{Serial: i + 1, State: enroll.CardInventory, Changed: f.now, Note: "order 7"})
	}
	event := func(c enroll.Card) audit.Event { return f.event("card.import", "") }
	before := len(f.events(t))
	for _, want := range []int{1199, 0} {
		added, err := f.AddCards(f.ctx, cards, event)
		must(t, err)
		equal(t, added, want)
	}
	equal(t, len(f.events(t))-before, 1199)
	equal(t, f.card(t, 1200), cards[1199])
	equal(t, f.card(t, 2).Account, "alice")
	f.enrolled(t, f.carded("alice", 1))
	equal(t, f.card(t, 1).State, enroll.CardAssigned)
	equal(t, f.card(t, 1).Note, "order 7")
}

// A temporary certificate ends with the allowance for it, and is recorded only while that stands.
func testAllowance(t *testing.T, f *fixture) {
	f.account(t, "alice")
	temporary := func(end time.Time) error {
		e := f.enrollment("alice")
		e.Certificate.Profile, e.Certificate.NotAfter, e.Allowance = "temporary", end, "temporary"
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	}
	end := f.now.Add(time.Hour)
	f.unchanged(t, enroll.ErrNotAllowed, func() error { return temporary(end) })
	_, err := f.ChangeAccount(f.ctx, "alice", func(a *enroll.Account) error {
		a.Temporary = []enroll.Allowance{{Profile: "temporary", Until: end, Card: 11}}
		return nil
	}, f.event("account.change", "alice"))
	must(t, err)
	must(t, temporary(end))
	f.unchanged(t, enroll.ErrNotAllowed, func() error { return temporary(end.Add(time.Second)) })
}

// A holding is what is in force or on hold, has not expired, and is of that issuer.
func testHolding(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	f.account(t, "bob")
	stands, held, revoked := f.enrolled(t, f.carded("alice", 11)), f.enrolled(t, f.carded("alice", 11)), f.enrolled(t, f.carded("alice", 11))
	expired := f.carded("alice", 11)
	expired.Certificate.NotAfter = f.now
	f.enrolled(t, expired)
	other := f.carded("alice", 11)
	other.Certificate.Issuer = issuerB
	f.enrolled(t, other)
	spare := f.carded("alice", 12)
	spare.Certificate.Profile = "temporary"
	f.enrolled(t, spare)
	f.enrolled(t, f.carded("bob", 13))
	must(t, f.revoke(held, ca.CertificateHold, f.now))
	must(t, f.revoke(revoked, ca.Superseded, f.now))
	open, used := f.code(t, "alice"), f.code(t, "alice")
	f.code(t, "bob")
	spend := f.enrollment("alice")
	spend.Code = &used.Hash
	plain := f.enrolled(t, spend)

	serialsOf := func(h enroll.Holding) map[ca.Serial]bool {
		out := map[ca.Serial]bool{}
		for _, c := range h.Certificates {
			out[c.Serial] = true
		}
		return out
	}
	h, err := f.Holding(f.ctx, enroll.Holder{Issuer: issuerA, Card: 11, At: f.now})
	must(t, err)
	equal(t, serialsOf(h), map[ca.Serial]bool{stands.Serial: true, held.Serial: true})
	equal(t, h.Account, &alice)
	equal(t, h.Cards, []enroll.Card{f.card(t, 11)})
	temporary := enroll.Holder{Issuer: issuerA, Card: 11, Temporary: true, At: f.now}
	h, err = f.Holding(f.ctx, temporary)
	must(t, err)
	equal(t, len(h.Certificates), 2) // there is no allowance
	alice, err = f.ChangeAccount(f.ctx, "alice", func(a *enroll.Account) error {
		a.Temporary = []enroll.Allowance{{Profile: "temporary", Until: f.now.Add(time.Hour), Card: 11}}
		return nil
	}, f.event("account.change", "alice"))
	must(t, err)
	h, err = f.Holding(f.ctx, temporary)
	must(t, err)
	equal(t, h.Account, &alice)
	equal(t, serialsOf(h), map[ca.Serial]bool{stands.Serial: true, held.Serial: true, spare.Certificate.Serial: true})

	h, err = f.Holding(f.ctx, enroll.Holder{Issuer: issuerA, Account: "alice", At: f.now})
	must(t, err)
	equal(t, serialsOf(h), map[ca.Serial]bool{stands.Serial: true, held.Serial: true, spare.Certificate.Serial: true, plain.Serial: true})
	equal(t, h.Cards, []enroll.Card{f.card(t, 11), f.card(t, 12)})
	equal(t, h.Codes, []enroll.Code{open})

	h, err = f.Holding(f.ctx, enroll.Holder{Issuer: issuerA, Card: 99, At: f.now})
	must(t, err)
	equal(t, h, enroll.Holding{Cards: []enroll.Card{{Serial: 99}}})
	_, err = f.Holding(f.ctx, enroll.Holder{Issuer: issuerA, Card: 99, Account: "carol", At: f.now})
	fails(t, err, enroll.ErrNotFound)
	_, err = f.Holding(f.ctx, enroll.Holder{Issuer: issuerA, Account: "carol", At: f.now})
	fails(t, err, enroll.ErrNotFound)
}

// All of a decision is done or nothing.
func testChangeHolding(t *testing.T, f *fixture) {
	f.account(t, "alice")
	stands, held := f.enrolled(t, f.carded("alice", 11)), f.enrolled(t, f.carded("alice", 11))
	must(t, f.revoke(held, ca.CertificateHold, f.now))
	code := f.code(t, "alice")
	of := enroll.Holder{Issuer: issuerA, Account: "alice", At: f.now}
	mine := errors.New("not today")
	f.unchanged(t, mine, func() error {
		return f.ChangeHolding(f.ctx, of, func(enroll.Holding) (enroll.Decision, error) { return enroll.Decision{}, mine })
	})
	revision := f.revision(t, issuerA)
	change := func(more ...ca.Serial) error {
		return f.ChangeHolding(f.ctx, of, func(h enroll.Holding) (enroll.Decision, error) {
			a, c := *h.Account, h.Cards[0]
			a.Disabled, c.State = true, enroll.CardLost
			return enroll.Decision{
				Account: &a, Cards: []enroll.Card{c}, Codes: [][32]byte{code.Hash}, Release: append(more, held.Serial),
				Revoke: []enroll.Revoke{{Serial: stands.Serial, What: ca.Revocation{At: f.now, Reason: ca.KeyCompromise, By: "an officer"}}},
				Events: []audit.Event{f.event("one", "alice"), f.event("two", "alice")},
			}, nil
		})
	}
	before := len(f.events(t))
	if err := change(f.serial()); err == nil {
		t.Error("what was never issued could be released")
	}
	equal(t, len(f.events(t)), before)
	equal(t, f.card(t, 11).State, enroll.CardAssigned)
	equal(t, f.revision(t, issuerA), revision)

	must(t, change())
	events := f.events(t)
	equal(t, len(events), before+2)
	equal(t, events[before+1].Action, "two")
	equal(t, f.revision(t, issuerA), revision+1)
	equal(t, f.card(t, 11).State, enroll.CardLost)
	got, err := f.Certificate(f.ctx, issuerA, stands.Serial)
	must(t, err)
	equal(t, got.Revocation, &ca.Revocation{At: f.now, Reason: ca.KeyCompromise, By: "an officer"})
	_, err = f.KeyOwner(f.ctx, stands.KeyID)
	fails(t, err, enroll.ErrKeyBlocked)
	got, err = f.Certificate(f.ctx, issuerA, held.Serial)
	must(t, err)
	equal(t, got.Revocation, nilRevocation)
	_, err = f.Code(f.ctx, code.Hash)
	fails(t, err, enroll.ErrNotFound)
	a, err := f.Account(f.ctx, "alice")
	must(t, err)
	equal(t, a.Disabled, true)
	equal(t, len(f.complete(t, issuerA)), 1)

	must(t, f.ChangeHolding(f.ctx, of, func(h enroll.Holding) (enroll.Decision, error) {
		return enroll.Decision{Remove: "alice"}, nil
	}))
	_, err = f.Account(f.ctx, "alice")
	fails(t, err, enroll.ErrNotFound)
	equal(t, f.card(t, 11).Account, "alice") // the certificate released is on it
}

var nilRevocation *ca.Revocation
