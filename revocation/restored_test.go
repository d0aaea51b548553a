package revocation_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/ca"
	"signet/internal/audit"
	"signet/internal/logbook"
	"signet/revocation"
	"signet/store/bolt"
)

// TestRestored: whatever came back from a backup, the next number is above all
// that were out, or relying servers would take the next CRL for an old one.
func TestRestored(t *testing.T) {
	for name, c := range map[string]struct {
		delta, all bool
		warned     int
	}{
		"the folder":             {all: true},
		"the folder, deltas":     {all: true, delta: true},
		"the store alone":        {warned: 1},
		"the store alone, delta": {delta: true, warned: 1},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(logbook.Book)
			w := newWorld(t, func(conf *revocation.Config) {
				conf.Logger = slog.New(slog.NewTextHandler(log, nil))
				if c.delta {
					conf.DeltaOf = "http://ca.example/crl/a.crl"
				}
			})
			alice := w.issue("alice")
			w.refresh()
			copied := w.copyFolder()
			for range 60 {
				w.revoke(alice, ca.CertificateHold)
				w.refresh()
				_, err := w.service.Revoker.Release(t.Context(), alice.Serial, audit.Operator)
				must(t, err)
				w.refresh()
			}
			out := w.service.Publisher.Current(w.Issuer.ID()).Number
			if strings.Contains(log.String(), "is behind") {
				t.Errorf("warned for nothing: %s", log)
			}

			w.putBack(copied, c.all)
			w.refresh()
			next := w.service.Publisher.Current(w.Issuer.ID()).Number
			if next.Cmp(out) <= 0 {
				t.Errorf("number %v after %v, which was out", next, out)
			}
			if c.delta {
				if d := w.list(w.scope(0), true); d.Number.Cmp(next) != 0 || d.Base.Cmp(next) != 0 {
					t.Errorf("number %v, its delta's %v to %v", next, d.Number, d.Base)
				}
			}
			w.refresh()
			if n := strings.Count(log.String(), "is behind"); n != c.warned {
				t.Errorf("warned %d times, want %d: %s", n, c.warned, log)
			}
		})
	}
}

// TestRestoredWithASlowClock: the floor doesn't help where the clock is behind the
// CRL that is out.
func TestRestoredWithASlowClock(t *testing.T) {
	w := newWorld(t, nil)
	w.refresh()
	copied := w.copyFolder()
	_, _, err := w.store.NextCRLNumber(t.Context(), w.Issuer.ID(), 1<<62)
	must(t, err)
	w.refresh()
	out := w.service.Publisher.Current(w.Issuer.ID()).Number
	w.putBack(copied, false)
	w.refresh()
	if next := w.service.Publisher.Current(w.Issuer.ID()).Number; next.Cmp(out) <= 0 {
		t.Errorf("number %v after %v", next, out)
	}
}

// copyFolder stops everything, copies the folder and goes on.
func (w *world) copyFolder() map[string][]byte {
	w.Helper()
	must(w, w.store.Close())
	paths, err := filepath.Glob(filepath.Join(w.dir, "*"))
	must(w, err)
	copied := map[string][]byte{}
	for _, path := range paths {
		copied[path], err = os.ReadFile(path)
		must(w, err)
	}
	w.reopen()
	return copied
}

// putBack has the service start with the store that was copied; with all, also with
// the CRLs.
func (w *world) putBack(copied map[string][]byte, all bool) {
	w.Helper()
	must(w, w.store.Close())
	for path, data := range copied {
		if all || strings.HasSuffix(path, ".db") {
			must(w, os.WriteFile(path, data, 0o600))
		}
	}
	w.reopen()
}

func (w *world) reopen() {
	w.Helper()
	var err error
	w.store.Store, err = bolt.Open(filepath.Join(w.dir, "signet.db"), nil)
	must(w, err)
	w.restart()
}
