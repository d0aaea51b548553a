package bolt_test

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
	"signet/store/bolt"
)

// entriesIn is how many entries the complete CRL has.
func entriesIn(t *testing.T, s *bolt.Store) (n int) {
	t.Helper()
	err := s.RevokedEntries(t.Context(), revocation.Scope{Issuer: oldIssuer},
		func(s revocation.Snapshot) error { n = s.Entries; return nil }, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// certified records n certificates, with serial numbers all over the space.
func certified(t *testing.T, s *bolt.Store, n int, salt uint32) (serials []ca.Serial) {
	t.Helper()
	for i := range n {
		c := ca.Certificate{Issuer: oldIssuer, Account: "alice", Profile: "user", NotAfter: time.Unix(1_900_000_000, 0)}
		binary.BigEndian.PutUint32(c.Serial[:], 1<<24+uint32(i)*1_000_003+salt)
		if err := s.RecordCertificate(t.Context(), c, audit.Event{Action: "certificate.issue"}); err != nil {
			t.Fatal(err)
		}
		serials = append(serials, c.Serial)
	}
	return serials
}

func revokeEach(t *testing.T, s *bolt.Store, serials []ca.Serial) {
	t.Helper()
	for _, serial := range serials {
		r := ca.Revocation{At: time.Unix(1_800_000_000, 0), Reason: ca.KeyCompromise, By: "boss"}
		if err := s.Revoke(t.Context(), oldIssuer, serial, r, audit.Event{Action: "certificate.revoke"}); err != nil {
			t.Fatal(err)
		}
	}
}

// What is fresh is folded once nobody writes, and nothing changes by it but where it stands.
func TestFreshFolded(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	s.SetFresh(100, 1000)
	serials := certified(t, s, 120, 0)
	revokeEach(t, s, serials[:90])
	if n, err := s.Fresh(t.Context()); n != 90 || err != nil {
		t.Errorf("%d of 90 are fresh (%v)", n, err)
	}
	revokeEach(t, s, serials[90:])
	before, err := s.Revision(t.Context(), oldIssuer)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		n, err := s.Fresh(t.Context())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d are fresh (%v)", n, err)
		}
		if err := s.CheckRevocations(t.Context(), oldIssuer); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	after, err := s.Revision(t.Context(), oldIssuer)
	if n := entriesIn(t, s); n != len(serials) || after != before || err != nil {
		t.Errorf("%d entries, revision %d, and %d before (%v)", n, after, before, err)
	}
	s.Close()
	checkFile(t, filepath.Join(dir, "signet.db"))
}

// What a run has left fresh is there in the next, which folds it.
func TestFreshLeftOver(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	serials := certified(t, s, 20, 0)
	revokeEach(t, s, serials)
	s.Close()
	s = openIn(t, dir)
	if n := entriesIn(t, s); n != 20 {
		t.Errorf("%d entries", n)
	}
	s.SetFresh(1, 0) // as if they were too many
	more := certified(t, s, 20, 1)
	revokeEach(t, s, more)
	if n := entriesIn(t, s); n != 40 {
		t.Errorf("%d entries", n)
	}
	if n, err := s.Fresh(t.Context()); n > 20 || err != nil {
		t.Errorf("%d are fresh (%v)", n, err)
	}
	if err := s.CheckRevocations(t.Context(), oldIssuer); err != nil {
		t.Error(err)
	}
}

// A store of schema 2, in which nothing is fresh, goes on as it is.
func TestUpgradeFromEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signet.db")
	oldStore(t, path, 500, 0, func(i int) (since, until int64) { return 1_800_000_000, 1_900_000_000 + int64(i) })
	s := openIn(t, filepath.Dir(path))
	s.Close()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte("revoked.fresh")); err != nil {
			return err
		}
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte{0, 0, 0, 2})
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	s = openIn(t, filepath.Dir(path))
	revokeEach(t, s, certified(t, s, 10, 7))
	if n := entriesIn(t, s); n != 510 {
		t.Errorf("%d entries", n)
	}
}
