package bolt_test

import (
	"errors"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"signet/enroll"
)

// A store that was written before PUKs were kept opens, and keeps them from then on.
func TestAStoreWithoutPUKsOpens(t *testing.T) {
	dir := t.TempDir()
	openIn(t, dir).Close()
	db, err := bbolt.Open(filepath.Join(dir, "signet.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("puks")), tx.DeleteBucket([]byte("puks.unproven")), tx.DeleteBucket([]byte("puks.requests")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s := openIn(t, dir)
	if _, err := s.Escrowed(t.Context(), 1, "alice"); !errors.Is(err, enroll.ErrNotFound) {
		t.Error(err)
	}
	if all, err := s.PUKRequests(t.Context()); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}
