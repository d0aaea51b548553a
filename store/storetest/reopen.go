package storetest

import (
	"testing"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
	"signet/revocation"
	"signet/store"
)

// RunReopen tests that data outlives the process. open returns an empty store, and
// a function that closes it and opens the same data anew.
func RunReopen(t *testing.T, open func(t *testing.T) (s store.Store, reopen func() store.Store)) {
	s, reopen := open(t)
	f := newFixture(t, s)
	alice := f.account(t, "alice")
	code, spent := f.code(t, "alice"), f.code(t, "alice")
	e := f.enrollment("alice")
	e.Code = &spent.Hash
	cert := f.enrolled(t, e)
	must(t, f.revoke(cert, ca.Superseded, f.now))
	cert.Revocation = &ca.Revocation{At: f.now, Reason: ca.Superseded, By: "an officer"}
	number, _, err := f.NextCRLNumber(f.ctx, issuerA, 0)
	must(t, err)
	block, err := f.ReserveSerialBlock(f.ctx)
	must(t, err)
	secret, err := f.Secret(f.ctx, "nonces")
	must(t, err)
	partition, err := f.AddPartition(f.ctx, issuerA, "http://ca.example/crl/a/1.crl")
	must(t, err)
	asked := f.asked(t, "alice", e.Certificate.Card.Serial)
	entries, events, revision := f.complete(t, issuerA), f.events(t), f.revision(t, issuerA)

	f.Store = reopen()
	gotAccount, err := f.Account(f.ctx, "alice")
	must(t, err)
	equal(t, gotAccount, alice)
	gotCode, err := f.Code(f.ctx, code.Hash)
	must(t, err)
	equal(t, gotCode, code)
	gotAsked, err := f.PUKRequest(f.ctx, asked.Number)
	must(t, err)
	equal(t, gotAsked, asked)
	gotCerts, recorded, err := f.RecordEnrollment(f.ctx, e)
	must(t, err)
	equal(t, recorded, false)
	equal(t, gotCerts, []ca.Certificate{cert})
	again := f.enrollment("alice")
	again.Code = &spent.Hash
	_, _, err = f.RecordEnrollment(f.ctx, again)
	fails(t, err, enroll.ErrCodeSpent)
	again.Code, again.Nonce = nil, e.Nonce
	_, _, err = f.RecordEnrollment(f.ctx, again)
	fails(t, err, enroll.ErrNonceSpent)
	equal(t, f.complete(t, issuerA), entries)
	equal(t, f.revision(t, issuerA), revision)
	equal(t, len(f.changed(t, issuerA, 0)), 1)
	partitions, err := f.Partitions(f.ctx, issuerA)
	must(t, err)
	equal(t, partitions, []revocation.Partition{partition})
	equal(t, f.events(t), events)
	gotSecret, err := f.Secret(f.ctx, "nonces")
	must(t, err)
	equal(t, gotSecret, secret)
	next, last, err := f.NextCRLNumber(f.ctx, issuerA, 0)
	must(t, err)
	nextBlock, err := f.ReserveSerialBlock(f.ctx)
	must(t, err)
	if next <= number || last != number || nextBlock == block {
		t.Errorf("CRL number %d after %d, serial block %d after %d", next, number, nextBlock, block)
	}
	must(t, f.RecordCertificate(f.ctx, f.certificate(""), f.event("certificate.issue", "")))
	f.numbered(t, events)
}

// numbered checks that the events go on where before ended.
func (f *fixture) numbered(t *testing.T, before []audit.Event) {
	t.Helper()
	all := f.events(t)
	equal(t, len(all), len(before)+1)
	equal(t, all[len(all)-1].Seq, uint64(len(all)))
}
