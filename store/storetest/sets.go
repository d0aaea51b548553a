package storetest

import (
	"errors"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/revocation"
)

// set is an enrollment of a card with three keys that nothing is in the way of.
func (f *fixture) set(account string, card uint32) enroll.Enrollment {
	e := f.carded(account, card)
	for _, slot := range []string{"9c", "9d"} {
		n := f.issuance(account)
		n.Certificate.Card.Serial, n.Certificate.Card.Slot = card, slot
		e.With = append(e.With, n)
	}
	return e
}

// respelled is e with other certificates and serial numbers for the same CSRs and keys, as when it
// comes a second time.
func (f *fixture) respelled(e enroll.Enrollment) enroll.Enrollment {
	anew := func(n enroll.Issuance) enroll.Issuance {
		key := n.Certificate.KeyID
		n.Certificate = f.certificate(n.Certificate.Account)
		n.Certificate.KeyID = key
		return n
	}
	with := e.With
	e.Issuance, e.With = anew(e.Issuance), nil
	for _, n := range with {
		e.With = append(e.With, anew(n))
	}
	return e
}

func certificatesOf(e enroll.Enrollment) (certs []ca.Certificate) {
	for _, n := range e.All() {
		certs = append(certs, n.Certificate)
	}
	return certs
}

// absent checks that nothing of e is there but what is in both.
func (f *fixture) absent(t *testing.T, e enroll.Enrollment, but ...enroll.Issuance) {
	t.Helper()
	for _, n := range e.All() {
		known := false
		for _, b := range but {
			known = known || b.CSR == n.CSR || b.Certificate.Serial == n.Certificate.Serial || b.Certificate.KeyID == n.Certificate.KeyID
		}
		if known {
			continue
		}
		_, err := f.Enrolled(f.ctx, n.Certificate.Account, n.CSR)
		fails(t, err, enroll.ErrNotFound)
		_, err = f.Certificate(f.ctx, n.Certificate.Issuer, n.Certificate.Serial)
		fails(t, err, revocation.ErrNotFound)
		_, err = f.KeyOwner(f.ctx, n.Certificate.KeyID)
		fails(t, err, enroll.ErrNotFound)
	}
}

// All of a set is there, or nothing; again, it is the same, in the order asked for.
func testSet(t *testing.T, f *fixture) {
	f.account(t, "alice")
	code := f.code(t, "alice")
	e := f.set("alice", 11)
	e.Code = &code.Hash
	before := len(f.events(t))
	f.enrolled(t, e)
	for _, n := range e.All() {
		got, err := f.Enrolled(f.ctx, "alice", n.CSR)
		must(t, err)
		equal(t, got, n.Certificate)
		owner, err := f.KeyOwner(f.ctx, n.Certificate.KeyID)
		must(t, err)
		equal(t, owner, "alice")
	}
	events := f.events(t)[before:]
	equal(t, len(events), 3)
	for i, n := range e.All() {
		equal(t, events[i].Object, n.Certificate.Serial.String())
	}
	stored, err := f.Code(f.ctx, code.Hash)
	must(t, err)
	equal(t, stored.SpentOn, &e.CSR)
	h, err := f.Holding(f.ctx, enroll.Holder{Issuer: issuerA, Card: 11, At: f.now})
	must(t, err)
	equal(t, len(h.Certificates), 3)

	again := f.respelled(e)
	certs, recorded, err := f.RecordEnrollment(f.ctx, again)
	must(t, err)
	equal(t, recorded, false)
	equal(t, certs, certificatesOf(e))
	again.With[0], again.With[1] = again.With[1], again.With[0]
	certs, _, err = f.RecordEnrollment(f.ctx, again)
	must(t, err)
	equal(t, certs[1:], []ca.Certificate{e.With[1].Certificate, e.With[0].Certificate})
	equal(t, len(f.events(t)), before+3)
}

// Some of it before, some not: nothing.
func testSetMixed(t *testing.T, f *fixture) {
	f.account(t, "alice")
	old := f.set("alice", 11)
	f.enrolled(t, old)
	for i := range 3 {
		e := f.set("alice", 11)
		anew := f.respelled(old)
		if i == 0 {
			e.Issuance = anew.Issuance
		} else {
			e.With[i-1] = anew.With[i-1]
		}
		f.unchanged(t, enroll.ErrMixed, func() error { _, _, err := f.RecordEnrollment(f.ctx, e); return err })
		f.absent(t, e, old.All()...)
	}
	// Those of one set may be asked for in part, and one more is one too many.
	part := f.respelled(old)
	part.With = part.With[1:]
	certs, recorded, err := f.RecordEnrollment(f.ctx, part)
	must(t, err)
	equal(t, recorded, false)
	equal(t, certs, []ca.Certificate{old.Certificate, old.With[1].Certificate})
	more := f.respelled(old)
	more.With = append(more.With, f.issuance("alice"))
	f.unchanged(t, enroll.ErrMixed, func() error { _, _, err := f.RecordEnrollment(f.ctx, more); return err })
}

// Whichever of the set is in the way, nothing of it is there then, and nothing used up.
func testSetRefused(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	bobs, mine := f.enrollment("bob"), f.enrollment("alice")
	f.enrolled(t, bobs)
	f.enrolled(t, mine)
	blocked := f.enrolled(t, f.enrollment("alice"))
	must(t, f.Revoke(f.ctx, issuerA, blocked.Serial, ca.Revocation{At: f.now, Reason: ca.KeyCompromise, By: "alice"}, f.event("certificate.revoke", "")))
	some := errors.New("some error")
	_, err := f.ChangeAccount(f.ctx, "alice", func(a *enroll.Account) error {
		a.Temporary = []enroll.Allowance{{Profile: "temporary", Until: f.now.Add(time.Hour), Card: 1}}
		return nil
	}, f.event("card.lost", ""))
	must(t, err)
	temporary := func(e *enroll.Enrollment) {
		e.Allowance = "temporary"
		for i := range 3 {
			member(e, i).Certificate.NotAfter = f.now.Add(time.Hour)
		}
	}

	for _, test := range []struct {
		name  string
		spoil func(e *enroll.Enrollment, n *enroll.Issuance)
		want  error
	}{
		{"key taken", func(_ *enroll.Enrollment, n *enroll.Issuance) { n.Certificate.KeyID = bobs.Certificate.KeyID }, enroll.ErrKeyTaken},
		{"key blocked", func(_ *enroll.Enrollment, n *enroll.Issuance) { n.Certificate.KeyID = blocked.KeyID }, enroll.ErrKeyBlocked},
		{"serial exists", func(_ *enroll.Enrollment, n *enroll.Issuance) { n.Certificate.Serial = mine.Certificate.Serial }, enroll.ErrExists},
		{"one serial twice", func(e *enroll.Enrollment, n *enroll.Issuance) { n.Certificate.Serial = other(e, n).Certificate.Serial }, enroll.ErrExists},
		{"one CSR twice", func(e *enroll.Enrollment, n *enroll.Issuance) { n.CSR = other(e, n).CSR }, enroll.ErrExists},
		{"nonce spent", func(e *enroll.Enrollment, _ *enroll.Issuance) { e.Nonce = mine.Nonce }, enroll.ErrNonceSpent},
		{"another account among them", func(e *enroll.Enrollment, _ *enroll.Issuance) { e.With[1].Certificate.Account = "bob" }, some},
		{"another issuer among them", func(e *enroll.Enrollment, _ *enroll.Issuance) { e.With[0].Certificate.Issuer = issuerB }, some},
		{"revoked before it was issued", func(_ *enroll.Enrollment, n *enroll.Issuance) { n.Certificate.Revocation = &ca.Revocation{At: f.now} }, some},
		{"beyond an allowance", func(e *enroll.Enrollment, n *enroll.Issuance) {
			temporary(e)
			n.Certificate.NotAfter = f.now.Add(time.Hour + time.Second)
		}, enroll.ErrNotAllowed},
	} {
		for i := range 3 {
			code := f.code(t, "alice")
			e := f.set("alice", uint32(100+i))
			e.Code = &code.Hash
			bad := e
			bad.With = append([]enroll.Issuance{}, e.With...)
			test.spoil(&bad, member(&bad, i))
			before := len(f.events(t))
			_, recorded, err := f.RecordEnrollment(f.ctx, bad)
			if recorded || err == nil || test.want != some && !errors.Is(err, test.want) {
				t.Errorf("%s, at %d: recorded %v, %v; want %v", test.name, i, recorded, err, test.want)
			}
			equal(t, len(f.events(t)), before)
			f.absent(t, e)
			_, err = f.Card(f.ctx, uint32(100+i))
			fails(t, err, enroll.ErrNotFound)
			if stored, err := f.Code(f.ctx, code.Hash); err != nil || stored.SpentOn != nil {
				t.Errorf("%s, at %d: the code is spent", test.name, i)
			}
		}
	}
	code := f.code(t, "alice")
	e := f.set("alice", 100)
	e.Code = &code.Hash
	temporary(&e)
	f.enrolled(t, e)
}

func member(e *enroll.Enrollment, i int) *enroll.Issuance {
	if i == 0 {
		return &e.Issuance
	}
	return &e.With[i-1]
}

// other is one of e that n is not.
func other(e *enroll.Enrollment, n *enroll.Issuance) *enroll.Issuance {
	if n == &e.Issuance {
		return &e.With[0]
	}
	return &e.Issuance
}

// Of sets that share a code, a nonce or a CSR, one is there.
func testSetsAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	for what, share := range map[error]func(e, with *enroll.Enrollment){
		enroll.ErrCodeSpent:  func(e, with *enroll.Enrollment) { e.Code = with.Code },
		enroll.ErrNonceSpent: func(e, with *enroll.Enrollment) { e.Nonce = with.Nonce },
		enroll.ErrMixed:      func(e, with *enroll.Enrollment) { e.With[0].CSR = with.With[0].CSR },
	} {
		code := f.code(t, "alice")
		model := f.set("alice", 11)
		model.Code = &code.Hash
		before, err := f.CertificatesOf(f.ctx, "alice", 1000)
		must(t, err)
		oneWins(t, together(16, func(int) error {
			e := f.set("alice", 11)
			share(&e, &model)
			_, _, err := f.RecordEnrollment(f.ctx, e)
			return err
		}), what)
		after, err := f.CertificatesOf(f.ctx, "alice", 1000)
		must(t, err)
		equal(t, len(after)-len(before), 3)
	}
}
