package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/revocation"
)

func testCertificatesOf(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "al")
	var want []ca.Certificate
	for i, age := range []int{3, 1, 4, 0, 5} {
		e := f.enrollment("alice")
		if i%2 == 0 {
			e.Certificate.Issuer = issuerB
		}
		e.Certificate.IssuedAt = f.now.Add(-time.Duration(age) * time.Hour)
		want = append(want, f.enrolled(t, e))
		f.enrolled(t, f.enrollment("al"))
	}
	slices.SortFunc(want, func(a, b ca.Certificate) int { return b.IssuedAt.Compare(a.IssuedAt) })
	for _, limit := range []int{100, 5, 2} {
		got, err := f.CertificatesOf(f.ctx, "alice", limit)
		must(t, err)
		equal(t, got, want[:min(limit, 5)])
	}
	got, err := f.CertificatesOf(f.ctx, "nobody", 10)
	must(t, err)
	equal(t, len(got), 0)
}

func testHeld(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	cert := f.enrolled(t, f.enrollment("alice"))
	c, a, err := f.Held(f.ctx, cert.Issuer, cert.Serial)
	must(t, err)
	equal(t, c, cert)
	equal(t, a, alice)
	_, _, err = f.Held(f.ctx, issuerB, cert.Serial)
	fails(t, err, enroll.ErrNotFound)
	own := f.certificate("")
	must(t, f.RecordCertificate(f.ctx, own, f.event("certificate.issue", "")))
	_, _, err = f.Held(f.ctx, own.Issuer, own.Serial)
	fails(t, err, enroll.ErrNotFound)
	must(t, f.RemoveAccount(f.ctx, "alice", f.event("account.remove", "alice")))
	_, _, err = f.Held(f.ctx, cert.Issuer, cert.Serial)
	fails(t, err, enroll.ErrNotFound)
}

// Only what is on hold now, of that account and issuer, the newest first.
func testOnHold(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "alice2")
	var certs []ca.Certificate
	for i := range 5 {
		e := f.enrollment("alice")
		e.Certificate.IssuedAt = f.now.Add(time.Duration(i) * time.Minute)
		certs = append(certs, f.enrolled(t, e))
	}
	elsewhere := f.enrollment("alice")
	elsewhere.Certificate.Issuer = issuerB
	others := []ca.Certificate{f.enrolled(t, elsewhere), f.enrolled(t, f.enrollment("alice2"))}
	onHold := func(want ...ca.Serial) {
		t.Helper()
		held, err := f.OnHold(f.ctx, issuerA, "alice")
		must(t, err)
		var serials []ca.Serial
		for i := range held {
			serials = append(serials, held[i].Serial)
			equal(t, held[i].Revocation.Reason, ca.CertificateHold)
		}
		equal(t, serials, want)
	}
	onHold()
	for _, c := range append(others, certs[0], certs[3], certs[4]) {
		must(t, f.revoke(c, ca.CertificateHold, f.now))
	}
	must(t, f.revoke(certs[1], ca.Superseded, f.now))
	onHold(certs[4].Serial, certs[3].Serial, certs[0].Serial)
	must(t, f.release(certs[4]))
	must(t, f.revoke(certs[0], ca.Superseded, f.now)) // for good
	onHold(certs[3].Serial)
}

func testRecordCertificate(t *testing.T, f *fixture) {
	own := f.certificate("")
	own.Card, own.NotAfter = nil, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	must(t, f.RecordCertificate(f.ctx, own, f.event("certificate.issue", own.Serial.String())))
	got, err := f.Certificate(f.ctx, own.Issuer, own.Serial)
	must(t, err)
	equal(t, got, own)
	f.unchanged(t, enroll.ErrExists, func() error {
		return f.RecordCertificate(f.ctx, own, f.event("certificate.issue", ""))
	})
	elsewhere := own // the serial is the issuer's own
	elsewhere.Issuer = issuerB
	must(t, f.RecordCertificate(f.ctx, elsewhere, f.event("certificate.issue", "")))
}

func testCertificates(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	var all []ca.Certificate
	for i := range 24 {
		e := f.enrollment([]string{"alice", "bob"}[i%2])
		e.Certificate.Issuer = []string{issuerA, issuerB}[i/2%2]
		e.Certificate.NotAfter = f.now.AddDate(0, 0, i)
		e.Certificate.Card.Serial = uint32(i / 6)
		e.Certificate.Profile = []string{"user", "admin", "machine"}[i%3]
		if i%5 == 0 {
			e.Certificate.Card = nil
		}
		c := f.enrolled(t, e)
		if i%4 == 0 {
			c.Revocation = &ca.Revocation{At: f.now, Reason: ca.CertificateHold, By: "x"}
			must(t, f.Revoke(f.ctx, c.Issuer, c.Serial, *c.Revocation, f.event("certificate.hold", "")))
		}
		all = append(all, c)
	}
	own := f.certificate("")
	must(t, f.RecordCertificate(f.ctx, own, f.event("certificate.issue", "")))
	all = append(all, own)

	yes, no := true, false
	for name, filter := range map[string]revocation.Filter{
		"all": {}, "account": {Account: "alice"}, "issuer": {Issuer: issuerB}, "card": {CardSerial: 3},
		"profile":  {Profile: "admin"},
		"expiring": {ExpiresBefore: f.now.AddDate(0, 0, 7)}, "revoked": {Revoked: &yes}, "standing": {Revoked: &no},
		"leaf": {Leaf: true}, "none": {Account: "carol"}, "prefix of an account": {Account: "al"},
		"several": {Account: "bob", Issuer: issuerA, ExpiresBefore: f.now.AddDate(0, 0, 15), Revoked: &no, Leaf: true},
	} {
		t.Run(name, func(t *testing.T) { f.filtered(t, filter, all) })
	}
}

// filtered checks what the filter lets through of all.
func (f *fixture) filtered(t *testing.T, filter revocation.Filter, all []ca.Certificate) {
	got, again := f.list(t, filter), f.list(t, filter)
	equal(t, again, got) // always in the same order
	if !slices.IsSortedFunc(got, func(a, b ca.Certificate) int { return cmp.Compare(a.Issuer, b.Issuer) }) {
		t.Error("not by issuer")
	}
	var want []ca.Certificate
	for _, c := range all {
		if wanted(filter, c) {
			want = append(want, c)
		}
	}
	bySerial := func(a, b ca.Certificate) int { return slices.Compare(a.Serial[:], b.Serial[:]) }
	slices.SortFunc(got, bySerial)
	slices.SortFunc(want, bySerial)
	equal(t, got, want)

	seen := 0
	must(t, f.Certificates(f.ctx, filter, func(ca.Certificate) bool { seen++; return false }))
	equal(t, seen, min(1, len(want)))
}

func (f *fixture) list(t *testing.T, filter revocation.Filter) (all []ca.Certificate) {
	t.Helper()
	must(t, f.Certificates(f.ctx, filter, func(c ca.Certificate) bool { all = append(all, c); return true }))
	return all
}

func wanted(f revocation.Filter, c ca.Certificate) bool {
	return (f.Account == "" || f.Account == c.Account) &&
		(f.Issuer == "" || f.Issuer == c.Issuer) &&
		(f.Profile == "" || f.Profile == c.Profile) &&
		(f.CardSerial == 0 || c.Card != nil && f.CardSerial == c.Card.Serial) &&
		(f.ExpiresBefore.IsZero() || c.NotAfter.Before(f.ExpiresBefore)) &&
		(f.Revoked == nil || *f.Revoked == (c.Revocation != nil)) &&
		(!f.Leaf || c.Account != "")
}

// What is added while a listing runs is not in it.
func testCertificatesOfOneState(t *testing.T, f *fixture) {
	f.account(t, "alice")
	for range 3 {
		f.enrolled(t, f.enrollment("alice"))
	}
	listing, added := make(chan struct{}), make(chan []error)
	go func() {
		<-listing
		added <- together(8, func(int) error {
			_, _, err := f.RecordEnrollment(f.ctx, f.enrollment("alice"))
			return err
		})
	}()
	seen := 0
	must(t, f.Certificates(f.ctx, revocation.Filter{}, func(ca.Certificate) bool {
		if seen++; seen == 1 {
			close(listing)
		}
		time.Sleep(10 * time.Millisecond)
		return true
	}))
	equal(t, seen, 3)
	for _, err := range <-added {
		must(t, err)
	}
	equal(t, len(f.list(t, revocation.Filter{})), 11)
}

// testNewest asks for the last ones issued, of an issuer whose ID is between others'.
func testNewest(t *testing.T, f *fixture) {
	f.account(t, "alice")
	var want []ca.Certificate
	for i := range 10 {
		e := f.enrollment("alice")
		// As [ca.SerialSource] makes them: the first octet is random, the rest counts up.
		e.Certificate.Serial = ca.Serial{0: byte(1 + 37*i%100), 1: 7, 19: byte(i)}
		if i%3 == 0 {
			e.Certificate.Issuer = issuerB
			f.enrolled(t, e)
			continue
		}
		e.Certificate.NotAfter = f.now.Add(time.Duration(i) * time.Hour)
		want = append(want, f.enrolled(t, e))
	}
	slices.Reverse(want)
	issuer := want[0].Issuer
	must(t, f.Revoke(f.ctx, issuer, want[1].Serial, ca.Revocation{At: f.now, Reason: ca.Superseded}, f.event("certificate.revoke", "")))
	newest := func(issuer string, before ca.Serial, n int) (got []ca.Serial) {
		must(t, f.Newest(f.ctx, issuer, before, func(serial ca.Serial, notAfter time.Time) bool {
			i := slices.IndexFunc(want, func(c ca.Certificate) bool { return c.Serial == serial })
			if i < 0 && issuer != issuerB || i >= 0 && !want[i].NotAfter.Equal(notAfter) {
				t.Errorf("%s ends at %v", serial, notAfter)
			}
			got = append(got, serial)
			return len(got) < n
		}))
		return got
	}
	var serials []ca.Serial
	for _, c := range want {
		serials = append(serials, c.Serial)
	}
	equal(t, newest(issuer, ca.Serial{}, 100), serials)
	equal(t, newest(issuer, ca.Serial{}, 2), serials[:2])
	equal(t, newest(issuer, serials[1], 100), serials[2:])
	equal(t, len(newest(issuer, serials[5], 100)), 0)
	equal(t, len(newest(issuerB, ca.Serial{}, 100)), 4)
	equal(t, len(newest("0", ca.Serial{}, 100)), 0)
	equal(t, len(newest("zz", ca.Serial{}, 100)), 0)
}
