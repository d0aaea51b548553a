package storetest

import (
	"context"
	"testing"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
	"signet/revocation"
)

func testEvents(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	f.code(t, "alice")
	var got []string
	for i, e := range f.events(t) {
		equal(t, e.Seq, uint64(i+1))
		got = append(got, e.Action+" "+e.Object)
	}
	equal(t, got, []string{"account.add alice", "account.add bob", "code.add alice"})
	first := f.events(t)[0]
	want := f.event("account.add", "alice")
	want.Seq = 1
	equal(t, first, want)

	for after, want := range map[uint64]int{0: 3, 1: 2, 3: 0, 99: 0, 1<<64 - 1: 0} {
		n := 0
		must(t, f.Events(f.ctx, after, func(e audit.Event) bool {
			if n++; e.Seq <= after {
				t.Errorf("event %d after %d", e.Seq, after)
			}
			return true
		}))
		equal(t, n, want)
	}
	n := 0
	must(t, f.Events(f.ctx, 0, func(audit.Event) bool { n++; return false }))
	equal(t, n, 1)
}

// Whatever fails in between, numbers have no gap and each change has its event.
func testEventsAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	together(60, func(i int) error {
		e := f.enrollment("alice")
		if i%2 == 0 {
			e.Certificate.Account = "nobody"
		}
		_, _, err := f.RecordEnrollment(f.ctx, e)
		return err
	})
	events := f.events(t)
	equal(t, len(events), 31)
	for i, e := range events {
		equal(t, e.Seq, uint64(i+1))
	}
	for _, e := range events[1:] {
		serial, err := ca.ParseSerial(e.Object)
		must(t, err)
		_, err = f.Certificate(f.ctx, issuerA, serial)
		must(t, err)
	}
}

func testCancelledContext(t *testing.T, f *fixture) {
	f.account(t, "alice")
	gone, cancel := context.WithCancel(f.ctx)
	cancel()
	e := f.enrollment("alice")
	f.unchanged(t, context.Canceled, func() error {
		_, _, err := f.RecordEnrollment(gone, e)
		return err
	})
	_, err := f.Certificate(f.ctx, issuerA, e.Certificate.Serial)
	fails(t, err, revocation.ErrNotFound)
	f.unchanged(t, context.Canceled, func() error {
		return f.AddAccount(gone, enroll.Account{Name: "bob"}, f.event("account.add", "bob"))
	})
	_, err = f.Account(gone, "alice")
	fails(t, err, context.Canceled)
	fails(t, f.Events(gone, 0, func(audit.Event) bool { return true }), context.Canceled)

	// One that ends meanwhile: whatever is answered is how it is.
	for range 50 {
		ctx, cancel := context.WithCancel(f.ctx)
		e := f.enrollment("alice")
		go cancel()
		_, recorded, err := f.RecordEnrollment(ctx, e)
		_, there := f.Certificate(f.ctx, issuerA, e.Certificate.Serial)
		if (err == nil) != (there == nil) || recorded != (err == nil) {
			t.Fatalf("recorded %v, error %v, and the certificate: %v", recorded, err, there)
		}
	}
}

func testPing(t *testing.T, f *fixture) {
	must(t, f.Ping(f.ctx))
	f.account(t, "alice")
	must(t, f.Ping(f.ctx))
	gone, cancel := context.WithCancel(f.ctx)
	cancel()
	if f.Ping(gone) == nil {
		t.Error("a cancelled Ping succeeds")
	}
}
