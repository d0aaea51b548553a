package storetest

import (
	"math"
	"slices"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation"
)

func (f *fixture) revoke(c ca.Certificate, reason ca.Reason, at time.Time) error {
	return f.Revoke(f.ctx, c.Issuer, c.Serial, ca.Revocation{At: at, Reason: reason, By: "an officer"}, f.event("certificate.revoke", c.Serial.String()))
}

func (f *fixture) release(c ca.Certificate) error {
	return f.Release(f.ctx, c.Issuer, c.Serial, f.event("certificate.release", c.Serial.String()))
}

// is checks what has become of c.
func (f *fixture) is(t *testing.T, c ca.Certificate, want *ca.Revocation) {
	t.Helper()
	c.Revocation = want
	got, err := f.Certificate(f.ctx, c.Issuer, c.Serial)
	must(t, err)
	equal(t, got, c)
}

func testRevoke(t *testing.T, f *fixture) {
	f.account(t, "alice")
	c, other := f.enrolled(t, f.enrollment("alice")), f.enrolled(t, f.enrollment("alice"))
	must(t, f.revoke(c, ca.KeyCompromise, f.now))
	f.is(t, c, &ca.Revocation{At: f.now, Reason: ca.KeyCompromise, By: "an officer"})
	f.is(t, other, nil)
	for _, reason := range []ca.Reason{ca.Superseded, ca.CertificateHold, ca.KeyCompromise} {
		f.unchanged(t, revocation.ErrAlreadyRevoked, func() error { return f.revoke(c, reason, f.now.Add(time.Hour)) })
	}
	f.is(t, c, &ca.Revocation{At: f.now, Reason: ca.KeyCompromise, By: "an officer"})
	f.unchanged(t, revocation.ErrNotOnHold, func() error { return f.release(c) })
	never := f.certificate("alice")
	f.unchanged(t, revocation.ErrNotFound, func() error { return f.revoke(never, ca.Unspecified, f.now) })
	f.unchanged(t, revocation.ErrNotFound, func() error { return f.release(never) })
	events := f.events(t)
	equal(t, events[len(events)-1].Action, "certificate.revoke")
}

func testRevokeAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	c := f.enrolled(t, f.enrollment("alice"))
	oneWins(t, together(16, func(i int) error {
		return f.revoke(c, ca.KeyCompromise, f.now.Add(time.Duration(i)*time.Second))
	}), revocation.ErrAlreadyRevoked)
}

func testHold(t *testing.T, f *fixture) {
	f.account(t, "alice")
	c := f.enrolled(t, f.enrollment("alice"))
	f.unchanged(t, revocation.ErrNotOnHold, func() error { return f.release(c) })
	must(t, f.revoke(c, ca.CertificateHold, f.now))
	held := &ca.Revocation{At: f.now, Reason: ca.CertificateHold, By: "an officer"}
	f.is(t, c, held)
	f.unchanged(t, nil, func() error { return f.revoke(c, ca.CertificateHold, f.now.Add(time.Hour)) })
	f.is(t, c, held)
	must(t, f.release(c))
	f.is(t, c, nil)
	equal(t, len(f.complete(t, issuerA)), 0)
	must(t, f.revoke(c, ca.CertificateHold, f.now))
	must(t, f.revoke(c, ca.Superseded, f.now.Add(time.Hour)))
	f.is(t, c, &ca.Revocation{At: f.now.Add(time.Hour), Reason: ca.Superseded, By: "an officer"})
	f.unchanged(t, revocation.ErrNotOnHold, func() error { return f.release(c) })
}

func testCRLNumbers(t *testing.T, f *fixture) {
	const n = 16
	numbers := make([]uint64, n)
	for _, err := range together(n, func(i int) (err error) {
		numbers[i], _, err = f.NextCRLNumber(f.ctx, issuerA, 0)
		return err
	}) {
		must(t, err)
	}
	slices.Sort(numbers)
	equal(t, len(slices.Compact(numbers)), n)
	last := numbers[len(numbers)-1]
	for range 3 {
		next, before, err := f.NextCRLNumber(f.ctx, issuerA, 0)
		must(t, err)
		if next <= last || before != last {
			t.Errorf("CRL number %d after %d, which was %d", next, before, last)
		}
		last = next
	}
	out := last + 1_000_000_000 // as if the store were an old copy
	next, before, err := f.NextCRLNumber(f.ctx, issuerA, out)
	must(t, err)
	if next <= out || before != last {
		t.Errorf("CRL number %d after %d, which was %d, above %d", next, before, last, out)
	}
	_, _, err = f.NextCRLNumber(f.ctx, issuerA, math.MaxUint64)
	if err == nil {
		t.Error("a number above the greatest there is")
	}
	again, before, err := f.NextCRLNumber(f.ctx, issuerA, 0)
	must(t, err)
	if again <= next || before != next {
		t.Errorf("CRL number %d after %d, which was %d", again, before, next)
	}
	other, before, err := f.NextCRLNumber(f.ctx, issuerB, 0)
	must(t, err)
	equal(t, before, uint64(0))
	if int64(other) < time.Now().Add(-time.Minute).UnixMilli() {
		t.Errorf("the first CRL number is %d: it would fall back with a store that is restored", other)
	}
}
