package bolt_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
	"signet/store/bolt"
)

// million makes a store of the version before with a million revocations, and opens it.
func million(t testing.TB, dir string) *bolt.Store {
	t.Helper()
	path := filepath.Join(dir, "signet.db")
	oldStore(t, path, 1_000_000, 0, func(i int) (since, until int64) {
		return 1_800_000_000, 1_900_000_000 + int64(i)
	})
	start := time.Now()
	s := openIn(t, dir)
	t.Logf("brought to this version in %s", time.Since(start))
	return s
}

// All entries of a million are read, with memory that stays small; and one more
// revocation costs about what it costs in an empty store.
func TestMillionRevoked(t *testing.T) {
	dir := t.TempDir()
	full, empty := million(t, dir), openIn(t, t.TempDir())
	path := filepath.Join(dir, "signet.db")
	for range 3 {
		entries, octets, chunks := 0, int64(0), 0
		start := time.Now()
		err := full.RevokedEntries(t.Context(), revocation.Scope{Issuer: oldIssuer},
			func(s revocation.Snapshot) error { entries, octets = s.Entries, s.Octets; return nil },
			func(der []byte) error { octets -= int64(len(der)); chunks++; return nil })
		t.Logf("%d entries read in %s, as %d chunks", entries, time.Since(start), chunks)
		if err != nil || entries != 1_000_000 || octets != 0 || chunks > 20_000 {
			t.Errorf("%d entries in %d chunks, %d octets missing: %v", entries, chunks, octets, err)
		}
		if kib := resident(t, path); kib > 16<<10 {
			t.Errorf("%d KiB are resident", kib)
		}
	}
	with, without := revocationCost(t, full), revocationCost(t, empty)
	t.Logf("a revocation takes %s and %.0f octets written with a million revoked, %s and %.0f with none",
		with.took, with.written, without.took, without.written)
	if with.written > without.written+4<<10 {
		t.Errorf("a revocation writes %.0f octets with a million revoked, and %.0f with none", with.written, without.written)
	}
}

type cost struct {
	took    time.Duration // median
	written float64       // octets, on average
}

// revocationCost revokes some, one after the other.
func revocationCost(t *testing.T, s *bolt.Store) (c cost) {
	t.Helper()
	const n = 300
	l, err := newLoad(t.Context(), s, 1)
	if err != nil {
		t.Fatal(err)
	}
	var serials []ca.Serial
	if err := l.run(t.Context(), 1, n, func(serial ca.Serial) { serials = append(serials, serial) }); err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	before := writtenSoFar(t)
	for _, serial := range serials {
		r := ca.Revocation{At: time.Now(), Reason: ca.KeyCompromise, By: audit.Operator}
		start := time.Now()
		if err := s.Revoke(t.Context(), oldIssuer, serial, r, audit.Event{Action: "certificate.revoke"}); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return cost{took[n/2], float64(writtenSoFar(t)-before) / n}
}

// writtenSoFar is how many octets this process has written (proc_pid_io(5), wchar).
func writtenSoFar(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err == nil {
		var read int
		_, err = fmt.Sscanf(string(text), "rchar: %d\nwchar: %d", &read, &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}
