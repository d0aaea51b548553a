package bolt_test

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"signet/ca"
	"signet/revocation"
	"signet/store/bolt"
)

const oldIssuer = "0123456789abcdef"

// oldStore makes a store as the version before wrote it: schema 1, with records of
// revocations, and of CRLs where made isn't zero, but no entries and none of
// the buckets for them. revoked gives the nth one's times.
func oldStore(t testing.TB, path string, n int, made int64, revoked func(i int) (since, until int64)) {
	t.Helper()
	s, err := bolt.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		var failed []error
		for _, name := range []string{"revoked.blocks", "revoked.scopes", "revoked.changes", "revoked.late", "partitions"} {
			failed = append(failed, tx.DeleteBucket([]byte(name)))
		}
		if made != 0 {
			v := append(binary.BigEndian.AppendUint64([]byte{1}, 7), binary.BigEndian.AppendUint64(nil, uint64(made))...)
			failed = append(failed, tx.Bucket([]byte("crls")).Put([]byte(oldIssuer), v))
		}
		failed = append(failed, tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte{0, 0, 0, 1}))
		return errors.Join(failed...)
	})
	for from := 0; from < n && err == nil; from += 50_000 {
		err = db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("revoked"))
			b.FillPercent = 0.9
			for i := from; i < min(n, from+50_000); i++ {
				since, until := revoked(i)
				v := []byte{1, byte(ca.KeyCompromise)}
				v = binary.BigEndian.AppendUint64(v, uint64(since))
				v = append(binary.BigEndian.AppendUint64(v, uint64(until)), "@operator"...)
				serial := oldSerial(i)
				if err := b.Put(append([]byte(oldIssuer+"\x00"), serial[:]...), v); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// oldSerial is the ith serial number, in order.
func oldSerial(i int) (s ca.Serial) {
	binary.BigEndian.PutUint32(s[:], 1<<24+uint32(i)*1000)
	s[19] = byte(i)
	return s
}

// A store of the version before gets its entries: those that the next CRL has, which
// leaves out what an earlier one had carried after it expired.
func TestUpgrade(t *testing.T) {
	const n, made = 30_000, 1_800_000_000
	path := filepath.Join(t.TempDir(), "signet.db")
	oldStore(t, path, n, made, func(i int) (since, until int64) {
		switch i % 4 {
		case 0:
			return made - 1000, made - 500 // has left
		case 1:
			return made - 30, made - 500 // revoked after it expired, and too late for the last CRL
		}
		return made - 1000, made + int64(i)
	})
	s := openIn(t, filepath.Dir(path))
	upgraded := func(want int) {
		t.Helper()
		entries := 0
		err := s.RevokedEntries(t.Context(), revocation.Scope{Issuer: oldIssuer}, func(s revocation.Snapshot) error {
			entries = s.Entries
			return nil
		}, func([]byte) error { return nil })
		if err != nil || entries != want {
			t.Errorf("%d entries, want %d (%v)", entries, want, err)
		}
	}
	upgraded(n / 4 * 3)
	if _, err := s.Changed(t.Context(), oldIssuer, 0, func(revocation.Entry) bool { return true }); !errors.Is(err, revocation.ErrRevision) {
		t.Errorf("what changed before is known: %v", err)
	}
	if err := s.CRLMade(t.Context(), oldIssuer, time.Unix(made+40, 0), 0); err != nil {
		t.Error(err)
	}
	upgraded(n / 2) // those revoked after they expired have left
	s.Close()
	s = openIn(t, filepath.Dir(path))
	upgraded(n / 2)
	s.Close()
	checkFile(t, path)
}
