package enroll_test

import (
	"testing"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/audit"
	"signet/internal/problem"
)

func (a *authority) release(issued *enroll.Issued) {
	a.t.Helper()
	if err := a.store.Release(ctx, issued.Issuer, issued.Serial, audit.Event{Time: a.now(), Actor: audit.Operator, Action: "certificate.release"}); err != nil {
		a.t.Fatal(err)
	}
}

// A hold is not undone by whoever holds the certificate: not with its key, whatever the credential,
// nor with a new one by the certificate that it goes with.
func TestHeldCompanion(t *testing.T) {
	a := newSets(t)
	issued, keys := a.enrolledSet(a.withPassword("carol"))
	signing := &issued.With[0]
	holder, byPassword := a.withCertificate(issued, keys.keys[0]), a.withPassword("carol")
	byCode := func() *enroll.Client { return a.withCode(must(holder.RenewalCode(ctx)).Code) }
	var p *problem.Problem
	held := func(c *enroll.Client, requests ...enroll.Request) {
		t.Helper()
		_, err := c.Submit(ctx, requests...)
		p = refused(t, err, 403, "certificate.held")
	}
	must(holder.Submit(ctx, renew(t, a.nonce(holder), keys, false, "signing")...)) // it is remembered that none is on hold
	a.take(signing, ca.CertificateHold)
	before := a.count("carol")
	for _, bare := range []bool{false, true} {
		held(holder, renew(t, a.nonce(holder), keys, bare, "signing")...)
		held(holder, renew(t, a.nonce(holder), keys, bare, whole...)...)
	}
	if p.Profile != "signing" || p.Hint != "Ask an officer to release the certificate." {
		t.Errorf("%+v", p)
	}
	held(byPassword, renew(t, a.nonce(byPassword), keys, false, whole...)...)
	code := byCode()
	held(code, renew(t, a.nonce(code), keys, false, "user", "signing")...)
	if n := a.count("carol"); n != before {
		t.Errorf("%d certificates, there were %d", n, before)
	}
	// The last one on the card is another, in force: so is its place.
	must(holder.Submit(ctx, trioOf(t, a.nonce(holder), []string{"signing"}).requests...))
}

// A new key in the place of the last one is refused to who shows the main certificate, or a code for
// it; the others of the set go on, and all of it once the hold is off.
func TestHeldCompanionNewKey(t *testing.T) {
	a := newSets(t)
	issued, keys := a.enrolledSet(a.withPassword("carol"))
	holder := a.withCertificate(issued, keys.keys[0])
	a.take(&issued.With[0], ca.CertificateHold)
	code := a.withCode(must(holder.RenewalCode(ctx)).Code)
	for _, c := range []*enroll.Client{holder, code} {
		_, err := c.Submit(ctx, trioOf(t, a.nonce(c), []string{"user", "signing"}).requests...)
		refused(t, err, 403, "certificate.held")
	}
	_, err := holder.Submit(ctx, trioOf(t, a.nonce(holder), []string{"signing"}).requests...)
	refused(t, err, 403, "certificate.held")
	must(holder.Submit(ctx, renew(t, a.nonce(holder), keys, false, "user", "encryption")...))
	must(code.Submit(ctx, trioOf(t, a.nonce(code), []string{"user", "encryption"}).requests...))
	a.release(&issued.With[0])
	must(holder.Submit(ctx, renew(t, a.nonce(holder), keys, false, whole...)...))
	must(holder.Submit(ctx, trioOf(t, a.nonce(holder), []string{"signing"}).requests...))
}

// The same of a certificate that is enrolled alone, and of the main one.
func TestHeldMain(t *testing.T) {
	a := newSets(t)
	carol := a.withPassword("carol")
	issued, keys := a.enrolledSet(carol)
	a.take(issued, ca.CertificateHold)
	_, err := carol.Submit(ctx, renew(t, a.nonce(carol), keys, false, whole...)...)
	refused(t, err, 403, "certificate.held")
	old, oldKeys := a.enrolledSet(carol) // other keys: who has the password may

	// An earlier one by another key, in force still, does not get it another in its place.
	later, _ := a.enrolledSet(carol)
	holder := a.withCertificate(old, oldKeys.keys[0])
	a.take(later, ca.CertificateHold)
	_, err = holder.Submit(ctx, trioOf(t, a.nonce(holder), []string{"user"}).requests...)
	refused(t, err, 403, "certificate.held")
	a.release(later)
	must(holder.Submit(ctx, trioOf(t, a.nonce(holder), []string{"user"}).requests...))

	alice, key := a.withPassword("alice"), catest.Key(t)
	alone := func() []byte {
		_, w := member(t, "other")
		w.key, w.nonce, w.device = key, a.nonce(alice), cards().other
		return w.csr(t)
	}
	first := must(alice.Submit(ctx, enroll.Request{Profile: "other", CSR: alone()}))
	a.take(first, ca.CertificateHold)
	_, err = alice.Submit(ctx, enroll.Request{Profile: "other", CSR: alone()})
	refused(t, err, 403, "certificate.held")
	a.release(first)
	must(alice.Submit(ctx, enroll.Request{Profile: "other", CSR: alone()}))
	// Revoked for good it is no hold; that other reasons don't bar the holder is as it was.
	a.take(first, ca.Superseded)
	must(alice.Submit(ctx, enroll.Request{Profile: "other", CSR: alone()}))
}
