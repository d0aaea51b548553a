package storetest

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"testing"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
	"signet/revocation/crl"
)

// A checker is an engine that can tell whether what it keeps of revocations agrees with itself.
type checker interface {
	CheckRevocations(ctx context.Context, issuer string) error
}

func (f *fixture) check(t *testing.T) {
	t.Helper()
	if c, ok := f.Store.(checker); ok {
		must(t, c.CheckRevocations(f.ctx, issuerA))
		must(t, c.CheckRevocations(f.ctx, issuerB))
	}
}

// onCRL reads the scope's entries as a relying server would, and checks what begin was told.
func (f *fixture) onCRL(t *testing.T, scope revocation.Scope) (revocation.Snapshot, []revocation.Entry) {
	t.Helper()
	f.check(t)
	var snapshot revocation.Snapshot
	var all []byte
	began := 0
	must(t, f.RevokedEntries(f.ctx, scope,
		func(s revocation.Snapshot) error { began++; snapshot = s; return nil },
		func(der []byte) error { all = append(all, der...); return nil }))
	equal(t, began, 1)
	equal(t, int64(len(all)), snapshot.Octets)
	entries := parseEntries(t, all, scope.Partition)
	equal(t, len(entries), snapshot.Entries)
	return snapshot, entries
}

// parseEntries has encoding/asn1 read them, and checks that they are as AppendEntry makes them.
func parseEntries(t *testing.T, der []byte, partition int) (entries []revocation.Entry) {
	t.Helper()
	for rest := der; len(rest) > 0; {
		var one pkix.RevokedCertificate
		after, err := asn1.Unmarshal(rest, &one)
		must(t, err)
		serial, ok := ca.SerialOf(one.SerialNumber)
		equal(t, ok, true)
		e := revocation.Entry{Serial: serial, At: one.RevocationTime.UTC(), Partition: partition}
		for _, ext := range one.Extensions {
			var reason asn1.Enumerated
			_, err := asn1.Unmarshal(ext.Value, &reason)
			must(t, err)
			e.Reason = ca.Reason(reason)
		}
		want, err := crl.AppendEntry(nil, crl.Entry{Serial: e.Serial, At: e.At, Reason: e.Reason})
		must(t, err)
		equal(t, rest[:len(rest)-len(after)], want)
		entries, rest = append(entries, e), after
	}
	return entries
}

func (f *fixture) complete(t *testing.T, issuer string) []revocation.Entry {
	t.Helper()
	_, entries := f.onCRL(t, revocation.Scope{Issuer: issuer})
	return entries
}

func bySerial(a, b revocation.Entry) int { return bytes.Compare(a.Serial[:], b.Serial[:]) }

func (f *fixture) revision(t *testing.T, issuer string) uint64 {
	t.Helper()
	r, err := f.Revision(f.ctx, issuer)
	must(t, err)
	return r
}

// changed are issuer's changes since then.
func (f *fixture) changed(t *testing.T, issuer string, since uint64) (all []revocation.Entry) {
	t.Helper()
	revision, err := f.Changed(f.ctx, issuer, since, func(e revocation.Entry) bool { all = append(all, e); return true })
	must(t, err)
	equal(t, revision, f.revision(t, issuer))
	return all
}

func testRevokedEntries(t *testing.T, f *fixture) {
	f.account(t, "alice")
	equal(t, len(f.complete(t, issuerA)), 0)
	equal(t, f.revision(t, issuerA), uint64(0))
	reasons := []ca.Reason{ca.Unspecified, ca.KeyCompromise, ca.CertificateHold, ca.PrivilegeWithdrawn}
	want := map[string][]revocation.Entry{}
	for i := range 20 {
		e := f.enrollment("alice")
		e.Certificate.Issuer = []string{issuerA, issuerB}[i%2]
		c := f.enrolled(t, e)
		if i < 12 {
			entry := revocation.Entry{Serial: c.Serial, At: f.now.Add(time.Duration(i) * time.Second), Reason: reasons[i%len(reasons)]}
			must(t, f.revoke(c, entry.Reason, entry.At))
			want[c.Issuer] = append(want[c.Issuer], entry)
		}
	}
	for issuer, entries := range want {
		slices.SortFunc(entries, bySerial)
		snapshot, got := f.onCRL(t, revocation.Scope{Issuer: issuer})
		equal(t, got, entries)
		equal(t, snapshot.Revision, f.revision(t, issuer))
	}
	equal(t, len(f.complete(t, issuerA[:15])), 0)
	f.endsEarly(t)
}

// endsEarly checks that what begin and yield fail with comes back.
func (f *fixture) endsEarly(t *testing.T) {
	t.Helper()
	enough := errors.New("enough")
	calls := 0
	scope := revocation.Scope{Issuer: issuerA}
	count := func([]byte) error { calls++; return enough }
	fails(t, f.RevokedEntries(f.ctx, scope, func(revocation.Snapshot) error { return enough }, count), enough)
	equal(t, calls, 0)
	fails(t, f.RevokedEntries(f.ctx, scope, func(revocation.Snapshot) error { return nil }, count), enough)
	equal(t, calls, 1)
	_, err := f.Changed(f.ctx, issuerA, 0, func(revocation.Entry) bool { calls++; return false })
	must(t, err)
	equal(t, calls, 2)
}

// Hold, release, hold again, and revoke, all within a second: each is seen, and the size of an
// entry, which its reason changes, is right each time.
func testHoldAgainAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	c, other := f.enrolled(t, f.enrollment("alice")), f.enrolled(t, f.enrollment("alice"))
	must(t, f.revoke(other, ca.Superseded, f.now))
	before := f.revision(t, issuerA)
	for range 3 {
		must(t, f.revoke(c, ca.CertificateHold, f.now))
		equal(t, len(f.complete(t, issuerA)), 2)
		must(t, f.release(c))
		equal(t, len(f.complete(t, issuerA)), 1)
	}
	equal(t, f.changed(t, issuerA, before), []revocation.Entry{{Serial: c.Serial, Reason: ca.RemoveFromCRL}})
	must(t, f.revoke(c, ca.CertificateHold, f.now))
	held := f.revision(t, issuerA)
	must(t, f.revoke(c, ca.CertificateHold, f.now))
	equal(t, f.revision(t, issuerA), held) // held already: nothing changed
	must(t, f.revoke(c, ca.Unspecified, f.now.Add(time.Second)))
	now := revocation.Entry{Serial: c.Serial, At: f.now.Add(time.Second)}
	equal(t, slices.Contains(f.complete(t, issuerA), now), true)
	equal(t, f.changed(t, issuerA, before), []revocation.Entry{now})
	equal(t, f.changed(t, issuerA, held), []revocation.Entry{now})
	equal(t, len(f.changed(t, issuerA, f.revision(t, issuerA))), 0)
	equal(t, len(f.changed(t, issuerB, 0)), 0)
}

func testChangesForgotten(t *testing.T, f *fixture) {
	f.account(t, "alice")
	var revisions []uint64
	for range 6 {
		must(t, f.revoke(f.enrolled(t, f.enrollment("alice")), ca.KeyCompromise, f.now))
		revisions = append(revisions, f.revision(t, issuerA))
	}
	equal(t, slices.IsSorted(revisions), true)
	equal(t, len(slices.Compact(slices.Clone(revisions))), 6)
	equal(t, len(f.changed(t, issuerA, 0)), 6)
	must(t, f.CRLMade(f.ctx, issuerA, f.now, revisions[3]))
	f.check(t)
	equal(t, len(f.changed(t, issuerA, revisions[3])), 2)
	for _, unknown := range []uint64{0, revisions[2], f.revision(t, issuerA) + 1} {
		_, err := f.Changed(f.ctx, issuerA, unknown, func(revocation.Entry) bool { return true })
		fails(t, err, revocation.ErrRevision)
	}
	must(t, f.CRLMade(f.ctx, issuerA, f.now, revisions[1])) // less than before: nothing comes back
	_, err := f.Changed(f.ctx, issuerA, revisions[1], func(revocation.Entry) bool { return true })
	fails(t, err, revocation.ErrRevision)
}

// A revision is never behind a change that was answered, and what is read is never behind it.
func testRevisionAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	var certs []ca.Certificate
	for range 16 {
		certs = append(certs, f.enrolled(t, f.enrollment("alice")))
	}
	for _, err := range together(len(certs), func(i int) error {
		if err := f.revoke(certs[i], ca.Superseded, f.now); err != nil {
			return err
		}
		revision, err := f.Revision(f.ctx, issuerA)
		if err != nil {
			return err
		}
		found := false
		read, err := f.Changed(f.ctx, issuerA, 0, func(e revocation.Entry) bool { found = found || e.Serial == certs[i].Serial; return true })
		if err == nil && (!found || read < revision) {
			err = errors.New("the change isn't there")
		}
		return err
	}) {
		must(t, err)
	}
	equal(t, len(f.complete(t, issuerA)), len(certs))
}

func testPartitions(t *testing.T, f *fixture) {
	f.account(t, "alice")
	none, err := f.Partitions(f.ctx, issuerA)
	must(t, err)
	equal(t, len(none), 0)
	var want []revocation.Partition
	for i, url := range []string{"http://ca.example/crl/a/1.crl", "http://ca.example/crl/a/2.crl", "http://ca.example/crl/a/3.crl"} {
		p, err := f.AddPartition(f.ctx, issuerA, url)
		must(t, err)
		equal(t, p, revocation.Partition{Number: i + 1, URL: url})
		want = append(want, p)
	}
	again, err := f.AddPartition(f.ctx, issuerA, want[1].URL)
	must(t, err)
	equal(t, again, want[1])
	got, err := f.Partitions(f.ctx, issuerA)
	must(t, err)
	equal(t, got, want)
	other, err := f.AddPartition(f.ctx, issuerB, want[2].URL)
	must(t, err)
	equal(t, other.Number, 1)
	f.scopes(t)
}

// scopes checks which entries are whose.
func (f *fixture) scopes(t *testing.T) {
	t.Helper()
	var all []revocation.Entry
	for i := range 12 {
		e := f.enrollment("alice")
		e.Certificate.Partition = i % 4
		c := f.enrolled(t, e)
		f.is(t, c, nil)
		must(t, f.revoke(c, ca.Superseded, f.now))
		all = append(all, revocation.Entry{Serial: c.Serial, At: f.now, Reason: ca.Superseded, Partition: i % 4})
	}
	slices.SortFunc(all, bySerial)
	equal(t, f.changed(t, issuerA, 0), all)
	var complete []revocation.Entry
	for p := range 4 {
		var part []revocation.Entry
		for _, e := range all {
			if e.Partition == p {
				part = append(part, e)
				e.Partition = 0 // what is read of the complete CRL doesn't say
				complete = append(complete, e)
			}
		}
		if p > 0 {
			_, got := f.onCRL(t, revocation.Scope{Issuer: issuerA, Partition: p})
			equal(t, got, part)
		}
	}
	equal(t, f.complete(t, issuerA), complete)
}

// An entry leaves the scopes; what became of the certificate stays.
func testEntriesLeave(t *testing.T, f *fixture) {
	f.account(t, "alice")
	e := f.enrollment("alice")
	e.Certificate.Partition = 2
	c := f.enrolled(t, e)
	must(t, f.revoke(c, ca.CertificateHold, f.now))
	one, before := revocation.Scope{Issuer: issuerA, Partition: 2}, f.revision(t, issuerA)
	on := func(want int) {
		t.Helper()
		_, entries := f.onCRL(t, one)
		equal(t, len(entries), want)
		equal(t, len(f.complete(t, issuerA)), want)
	}
	must(t, f.CRLMade(f.ctx, issuerA, c.NotAfter.Add(-time.Second), 0))
	on(1)
	equal(t, f.revision(t, issuerA), before)
	must(t, f.CRLMade(f.ctx, issuerB, c.NotAfter.Add(time.Hour), 0))
	on(1)
	must(t, f.CRLMade(f.ctx, issuerA, c.NotAfter.Add(time.Hour), 0))
	on(0)
	equal(t, f.revision(t, issuerA) > before, true)
	f.is(t, c, &ca.Revocation{At: f.now, Reason: ca.CertificateHold, By: "an officer"})
	equal(t, len(f.changed(t, issuerA, before)), 0)

	// It can still be released; and be revoked, and is then on the CRL once more.
	must(t, f.release(c))
	on(0)
	late := c.NotAfter.Add(2 * time.Hour)
	must(t, f.revoke(c, ca.CertificateHold, late))
	on(1)
	must(t, f.revoke(c, ca.KeyCompromise, late))
	on(1)
	must(t, f.CRLMade(f.ctx, issuerA, late.Add(30*time.Second), 0)) // it may have come too late for this
	on(1)
	must(t, f.CRLMade(f.ctx, issuerA, late.Add(time.Minute), 0))
	on(0)
	must(t, f.CRLMade(f.ctx, issuerA, f.now, 0)) // an older one brings nothing back
	on(0)
}

func testRevokeAll(t *testing.T, f *fixture) {
	f.account(t, "alice")
	const n = 1100 // more than one transaction
	var serials []ca.Serial
	for i := range n {
		c := f.certificate("alice")
		c.Partition = i % 2
		must(t, f.RecordCertificate(f.ctx, c, f.event("certificate.issue", c.Serial.String())))
		serials = append(serials, c.Serial)
	}
	revoked, held, never := serials[5], serials[7], f.serial()
	must(t, f.revoke(ca.Certificate{Issuer: issuerA, Serial: revoked}, ca.KeyCompromise, f.now))
	must(t, f.revoke(ca.Certificate{Issuer: issuerA, Serial: held}, ca.CertificateHold, f.now))
	events := len(f.events(t))

	all := append(slices.Clone(serials), never, serials[0])
	got := f.many(t, all, ca.CertificateHold, f.now)
	equal(t, got, tally{n + 1, n - 2, map[error]int{revocation.ErrAlreadyRevoked: 1, revocation.ErrNotFound: 1}})
	got = f.many(t, all, ca.PrivilegeWithdrawn, f.now)
	equal(t, got, tally{n + 1, n - 1, map[error]int{revocation.ErrAlreadyRevoked: 1, revocation.ErrNotFound: 1}})
	equal(t, len(f.complete(t, issuerA)), n)
	got = f.many(t, all, ca.PrivilegeWithdrawn, f.now)
	equal(t, got, tally{n + 1, 0, map[error]int{revocation.ErrAlreadyRevoked: n, revocation.ErrNotFound: 1}})
	equal(t, len(f.events(t)), events+n-2+n-1)
	last := f.events(t)[events+n]
	equal(t, last.Detail["account"], "alice")
	equal(t, len(f.changed(t, issuerA, 0)), n)
}

func testReleaseAll(t *testing.T, f *fixture) {
	f.account(t, "alice")
	var serials []ca.Serial
	for range 10 {
		serials = append(serials, f.enrolled(t, f.enrollment("alice")).Serial)
	}
	f.many(t, serials[:6], ca.CertificateHold, f.now)
	f.many(t, serials[:2], ca.Superseded, f.now)
	got := tally{refused: map[error]int{}}
	must(t, f.ReleaseAll(f.ctx, issuerA, append(serials, f.serial()), f.eventOf, got.did(t)))
	equal(t, got, tally{11, 4, map[error]int{revocation.ErrNotOnHold: 6, revocation.ErrNotFound: 1}})
	equal(t, len(f.complete(t, issuerA)), 2)
}

// A RevokeAll whose context ends has done what it said, whole.
func testRevokeAllStopped(t *testing.T, f *fixture) {
	f.account(t, "alice")
	var serials []ca.Serial
	for range 1100 {
		c := f.certificate("alice")
		must(t, f.RecordCertificate(f.ctx, c, f.event("certificate.issue", c.Serial.String())))
		serials = append(serials, c.Serial)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	done := 0
	err := f.RevokeAll(ctx, issuerA, serials, ca.Revocation{At: f.now, Reason: ca.Superseded, By: "an officer"}, f.eventOf,
		func(ca.Serial, bool, error) { done++; cancel() })
	fails(t, err, context.Canceled)
	equal(t, len(f.complete(t, issuerA)), done)
	if done == 0 || done == len(serials) {
		t.Errorf("stopped after %d of %d", done, len(serials))
	}
}

func (f *fixture) eventOf(c ca.Certificate) audit.Event {
	e := f.event("certificate.many", c.Serial.String())
	e.Detail = map[string]string{"account": c.Account}
	return e
}

// A tally counts what became of many.
type tally struct {
	all, changed int
	refused      map[error]int
}

func (a *tally) did(t *testing.T) func(ca.Serial, bool, error) {
	var before ca.Serial
	return func(s ca.Serial, changed bool, err error) {
		if bytes.Compare(s[:], before[:]) <= 0 {
			t.Errorf("%s after %s", s, before)
		}
		before = s
		a.all++
		if changed {
			a.changed++
		}
		if err != nil {
			a.refused[err]++
		}
	}
}

func (f *fixture) many(t *testing.T, serials []ca.Serial, reason ca.Reason, at time.Time) tally {
	t.Helper()
	got := tally{refused: map[error]int{}}
	must(t, f.RevokeAll(f.ctx, issuerA, serials, ca.Revocation{At: at, Reason: reason, By: "an officer"}, f.eventOf, got.did(t)))
	return got
}
