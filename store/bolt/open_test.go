package bolt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"signet/internal/audit"
	"signet/store/bolt"
)

func TestOpenMakesAPrivateFile(t *testing.T) {
	dir := t.TempDir()
	openIn(t, dir)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v: want the store alone", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		make func(path string) error
		says string
	}{
		"no folder":      {func(string) error { return nil }, "no such file"},
		"an empty file":  {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "empty file"},
		"another file":   {func(path string) error { return os.WriteFile(path, make([]byte, 1<<16), 0o600) }, "invalid database"},
		"another's file": {func(path string) error { return bucketIn(path, "other", nil) }, "not a store of Signet"},
		"a newer store": {func(path string) error {
			return bucketIn(path, "meta", binary.BigEndian.AppendUint32(nil, 4))
		}, "newer version of Signet"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "signet.db")
			if name == "no folder" {
				path = filepath.Join(path, "deeper")
			}
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := bolt.Open(path, nil)
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("it says %v, want %q and the path", err, test.says)
			}
			if newer := name == "a newer store"; errors.Is(err, bolt.ErrNewer) != newer {
				t.Errorf("ErrNewer: %v, want %v", !newer, newer)
			}
		})
	}
}

// bucketIn makes a bbolt file with one bucket, and in it the schema version.
func bucketIn(path, name string, version []byte) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(name))
		if err != nil {
			return err
		}
		return b.Put([]byte("schema"), version)
	})
}

// Close answers all that is under way, one way or the other, and all that comes after.
func TestCloseUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	l, err := newLoad(t.Context(), s, 3)
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		if err := l.run(context.Background(), 16, 1<<40, nil); !errors.Is(err, bolt.ErrClosed) {
			t.Errorf("it ended with %v, want ErrClosed", err)
		}
	})
	for l.next.Load() < 200 {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	done.Wait()
	_, err = s.Account(t.Context(), "user1")
	if !errors.Is(err, bolt.ErrClosed) {
		t.Errorf("reading afterwards: %v", err)
	}
	if err := s.Events(t.Context(), 0, func(audit.Event) bool { return true }); !errors.Is(err, bolt.ErrClosed) {
		t.Errorf("reading afterwards: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}
