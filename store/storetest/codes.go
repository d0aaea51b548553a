package storetest

import (
	"testing"
	"time"

	"signet/enroll"
)

func testCodes(t *testing.T, f *fixture) {
	f.account(t, "alice")
	plain := f.code(t, "alice")
	serial := f.serial()
	renewal := enroll.Code{Hash: f.unique(), Account: "alice", Created: f.now, Expires: f.now.Add(time.Minute), By: "alice", Renews: &serial}
	must(t, f.AddCode(f.ctx, renewal, f.event("code.add", "alice")))
	for _, want := range []enroll.Code{plain, renewal} {
		got, err := f.Code(f.ctx, want.Hash)
		must(t, err)
		equal(t, got, want)
	}
	_, err := f.Code(f.ctx, f.unique())
	fails(t, err, enroll.ErrNotFound)
}

func testCodeRefused(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "bob")
	c := f.code(t, "alice")
	f.unchanged(t, enroll.ErrExists, func() error {
		again := c
		again.Account = "bob"
		return f.AddCode(f.ctx, again, f.event("code.add", "bob"))
	})
	got, err := f.Code(f.ctx, c.Hash)
	must(t, err)
	equal(t, got, c)
	f.unchanged(t, enroll.ErrNotFound, func() error {
		return f.AddCode(f.ctx, enroll.Code{Hash: f.unique(), Account: "carol", Expires: f.now}, f.event("code.add", "carol"))
	})
}

func testForget(t *testing.T, f *fixture) {
	f.account(t, "alice")
	expired, spent, good := f.code(t, "alice"), f.code(t, "alice"), f.code(t, "alice")
	late := enroll.Code{Hash: f.unique(), Account: "alice", Created: f.now, Expires: f.now.Add(3 * time.Hour), By: "alice"}
	must(t, f.AddCode(f.ctx, late, f.event("code.add", "alice")))
	e := f.enrollment("alice")
	e.Code = &spent.Hash
	f.enrolled(t, e)

	must(t, f.Forget(f.ctx, e.NonceExpires.Add(-time.Second)))
	_, err := f.Code(f.ctx, good.Hash)
	must(t, err) // all of them expire in an hour
	again := f.enrollment("alice")
	again.Nonce, again.NonceExpires = e.Nonce, e.NonceExpires
	_, _, err = f.RecordEnrollment(f.ctx, again)
	fails(t, err, enroll.ErrNonceSpent)

	must(t, f.Forget(f.ctx, f.now.Add(time.Hour)))
	_, err = f.Code(f.ctx, expired.Hash)
	fails(t, err, enroll.ErrNotFound)
	_, err = f.Code(f.ctx, good.Hash)
	fails(t, err, enroll.ErrNotFound)
	got, err := f.Code(f.ctx, spent.Hash)
	must(t, err)
	equal(t, got.SpentOn, &e.CSR)
	_, err = f.Code(f.ctx, late.Hash)
	must(t, err)
	_, _, err = f.RecordEnrollment(f.ctx, again)
	must(t, err) // the nonce is forgotten; that it has expired, others check
}
