package storetest

import (
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/revocation"
)

func testEnrollment(t *testing.T, f *fixture) {
	f.account(t, "alice")
	code := f.code(t, "alice")
	e := f.enrollment("alice")
	e.Code = &code.Hash
	equal(t, f.enrolled(t, e), e.Certificate)

	got, err := f.Enrolled(f.ctx, "alice", e.CSR)
	must(t, err)
	equal(t, got, e.Certificate)
	got, err = f.Certificate(f.ctx, issuerA, e.Certificate.Serial)
	must(t, err)
	equal(t, got, e.Certificate)
	owner, err := f.KeyOwner(f.ctx, e.Certificate.KeyID)
	must(t, err)
	equal(t, owner, "alice")
	code.SpentOn = &e.CSR
	stored, err := f.Code(f.ctx, code.Hash)
	must(t, err)
	equal(t, stored, code)
	events := f.events(t)
	last := events[len(events)-1]
	e.Event.Seq = uint64(len(events))
	equal(t, last, e.Event)

	// The next one for the same key is the same account's renewal.
	renewal := f.enrollment("alice")
	renewal.Certificate.KeyID = e.Certificate.KeyID
	f.enrolled(t, renewal)

	_, err = f.Enrolled(f.ctx, "bob", e.CSR)
	fails(t, err, enroll.ErrNotFound)
	_, err = f.Enrolled(f.ctx, "alice", f.unique())
	fails(t, err, enroll.ErrNotFound)
	_, err = f.KeyOwner(f.ctx, f.unique())
	fails(t, err, enroll.ErrNotFound)
	_, err = f.Certificate(f.ctx, issuerB, e.Certificate.Serial)
	fails(t, err, revocation.ErrNotFound)
	_, err = f.Certificate(f.ctx, issuerA, f.serial())
	fails(t, err, revocation.ErrNotFound)
}

// A key that was reported compromised is certified no more, for anybody.
func testBlockedKey(t *testing.T, f *fixture) {
	f.account(t, "alice")
	first := f.enrolled(t, f.enrollment("alice"))
	revoke := func(reason ca.Reason) {
		t.Helper()
		must(t, f.Revoke(f.ctx, issuerA, first.Serial, ca.Revocation{At: f.now, Reason: reason, By: "alice"}, f.event("certificate.revoke", "")))
	}
	again := func() error {
		e := f.enrollment("alice")
		e.Certificate.KeyID = first.KeyID
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	}
	revoke(ca.CertificateHold)
	must(t, again())
	revoke(ca.KeyCompromise)
	fails(t, again(), enroll.ErrKeyBlocked)
	_, err := f.KeyOwner(f.ctx, first.KeyID)
	fails(t, err, enroll.ErrKeyBlocked)
	f.enrolled(t, f.enrollment("alice")) // another key
}

// What renews a certificate is recorded only while that one stands.
func testRenewal(t *testing.T, f *fixture) {
	f.account(t, "alice")
	old := f.enrolled(t, f.enrollment("alice"))
	renew := func(serial ca.Serial) error {
		e := f.enrollment("alice")
		e.Renews = &serial
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	}
	must(t, renew(old.Serial))
	must(t, f.Revoke(f.ctx, issuerA, old.Serial, ca.Revocation{At: f.now, Reason: ca.CertificateHold, By: "alice"}, f.event("certificate.hold", "")))
	fails(t, renew(old.Serial), enroll.ErrRevoked)
	must(t, f.Release(f.ctx, issuerA, old.Serial, f.event("certificate.release", "")))
	must(t, renew(old.Serial))
	fails(t, renew(f.serial()), enroll.ErrRevoked)
}

// The same CSR again is answered with the certificate that there is, as it is now.
func testEnrollmentAgain(t *testing.T, f *fixture) {
	f.account(t, "alice")
	code := f.code(t, "alice")
	e := f.enrollment("alice")
	e.Code = &code.Hash
	first := f.enrolled(t, e)
	before := len(f.events(t))

	for range 2 {
		again := e
		again.Certificate = f.certificate("alice")
		got, recorded, err := f.RecordEnrollment(f.ctx, again)
		must(t, err)
		if recorded {
			t.Error("it was recorded a second time")
		}
		equal(t, got, []ca.Certificate{first})
		_, err = f.Certificate(f.ctx, issuerA, again.Certificate.Serial)
		fails(t, err, revocation.ErrNotFound)
	}
	equal(t, len(f.events(t)), before)
	must(t, f.Revoke(f.ctx, issuerA, first.Serial, ca.Revocation{At: f.now, By: "alice"}, f.event("certificate.revoke", "")))
	got, _, err := f.RecordEnrollment(f.ctx, e)
	must(t, err)
	equal(t, got[0].Revocation, &ca.Revocation{At: f.now, By: "alice"})

	// Another account's same CSR is another enrollment, of a key that is taken.
	f.account(t, "bob")
	e.Certificate, e.Code = f.certificate("bob"), nil
	e.Certificate.KeyID = first.KeyID
	e.Nonce = f.unique()
	_, _, err = f.RecordEnrollment(f.ctx, e)
	fails(t, err, enroll.ErrKeyTaken)
}

func testEnrollmentRefused(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	spent, bobs, unknown := f.code(t, "alice"), f.code(t, "bob"), f.unique()
	first := f.enrollment("alice")
	first.Code = &spent.Hash
	f.enrolled(t, first)

	for _, test := range []struct {
		name  string
		spoil func(*enroll.Enrollment)
		want  error
	}{
		{"no such account", func(e *enroll.Enrollment) { e.Certificate.Account = "carol" }, enroll.ErrNotFound},
		{"no such code", func(e *enroll.Enrollment) { e.Code = &unknown }, enroll.ErrNotFound},
		{"another's code", func(e *enroll.Enrollment) { e.Code = &bobs.Hash }, enroll.ErrNotFound},
		{"code spent", func(e *enroll.Enrollment) { e.Code = &spent.Hash }, enroll.ErrCodeSpent},
		{"nonce spent", func(e *enroll.Enrollment) { e.Nonce = first.Nonce }, enroll.ErrNonceSpent},
		{"serial exists", func(e *enroll.Enrollment) { e.Certificate.Serial = first.Certificate.Serial }, enroll.ErrExists},
		{"key taken", func(e *enroll.Enrollment) {
			e.Certificate.Account, e.Code = "bob", &bobs.Hash
			e.Certificate.KeyID = first.Certificate.KeyID
		}, enroll.ErrKeyTaken},
	} {
		t.Run(test.name, func(t *testing.T) {
			code := f.code(t, "alice")
			good := f.enrollment("alice")
			good.Code = &code.Hash
			bad := good
			test.spoil(&bad)
			f.unchanged(t, test.want, func() error {
				_, recorded, err := f.RecordEnrollment(f.ctx, bad)
				if recorded {
					t.Error("it failed and was recorded")
				}
				return err
			})
			f.enrolled(t, good) // neither code, nonce, CSR, key nor serial is used up
		})
	}
	stored, err := f.Code(f.ctx, bobs.Hash)
	must(t, err)
	if stored.SpentOn != nil {
		t.Error("a refused enrollment has spent a code")
	}
}

func testEnrollmentWithoutNonce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	for range 2 {
		e := f.enrollment("alice")
		e.Nonce, e.NonceExpires, e.Certificate.Card = [32]byte{}, time.Time{}, nil
		equal(t, f.enrolled(t, e), e.Certificate)
		got, err := f.Certificate(f.ctx, issuerA, e.Certificate.Serial)
		must(t, err)
		equal(t, got, e.Certificate)
	}
}

func testCodeSpentAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	code := f.code(t, "alice")
	oneWins(t, together(32, func(int) error {
		e := f.enrollment("alice")
		e.Code = &code.Hash
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	}), enroll.ErrCodeSpent)
	certs, err := f.CertificatesOf(f.ctx, "alice", 100)
	must(t, err)
	equal(t, len(certs), 1)
}

func testNonceSpentAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	nonce := f.unique()
	oneWins(t, together(32, func(int) error {
		e := f.enrollment("alice")
		e.Nonce = nonce
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	}), enroll.ErrNonceSpent)
}

func testCSRAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	code := f.code(t, "alice")
	e := f.enrollment("alice")
	e.Code = &code.Hash
	var mu sync.Mutex
	serials, records := map[ca.Serial]bool{}, 0
	for _, err := range together(32, func(int) error {
		mine := e
		mine.Certificate = f.certificate("alice")
		mine.Certificate.KeyID = e.Certificate.KeyID
		c, recorded, err := f.RecordEnrollment(f.ctx, mine)
		mu.Lock()
		defer mu.Unlock()
		for i := range c {
			serials[c[i].Serial] = true
		}
		if recorded {
			records++
		}
		return err
	}) {
		must(t, err)
	}
	if len(serials) != 1 || records != 1 {
		t.Errorf("one CSR gave %d certificates, %d recorded", len(serials), records)
	}
}

func testKeyTakenAtOnce(t *testing.T, f *fixture) {
	names := []string{"alice", "bob", "carol", "dave", "eve", "frank", "grace", "heidi"}
	for _, name := range names {
		f.account(t, name)
	}
	key := f.unique()
	oneWins(t, together(len(names), func(i int) error {
		e := f.enrollment(names[i])
		e.Certificate.KeyID = key
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	}), enroll.ErrKeyTaken)
}

// Good and bad ones at once: each has its own outcome.
func testEnrollmentsAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	const n = 200
	all := make([]enroll.Enrollment, n)
	errs := together(n, func(i int) error {
		e := f.enrollment("alice")
		if i%3 == 0 {
			e.Certificate.Account = "nobody"
		}
		all[i] = e
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	})
	for i, err := range errs {
		_, there := f.Certificate(f.ctx, issuerA, all[i].Certificate.Serial)
		if i%3 == 0 {
			fails(t, err, enroll.ErrNotFound)
			fails(t, there, revocation.ErrNotFound)
		} else if err != nil || there != nil {
			t.Errorf("enrollment %d: %v; its certificate: %v", i, err, there)
		}
	}
}
