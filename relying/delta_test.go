package relying

import (
	"path/filepath"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/crl"
)

// deltas has the CA publish a complete list that announces deltas.
func (w *world) scheduled() {
	w.Helper()
	w.set(func() {
		w.number++
		w.files[w.issuerCRL()] = w.list(w.Issuer, crl.Head{Number: w.number, Freshest: catest.URL + w.issuerDelta()}, w.revoked)
		w.files[w.rootCRL()] = w.list(w.RootIssuer, crl.Head{Number: w.number}, nil)
		delete(w.files, w.issuerDelta())
	})
}

// change has it publish the next number, complete and as a delta from base on.
func (w *world) change(base uint64, entries ...crl.Entry) {
	w.Helper()
	w.set(func() {
		w.number++
		w.files[w.issuerCRL()] = w.list(w.Issuer, crl.Head{Number: w.number, Freshest: catest.URL + w.issuerDelta()}, w.revoked)
		w.files[w.issuerDelta()] = w.list(w.Issuer, crl.Head{Number: w.number, Base: base}, entries)
	})
}

func entry(s ca.Serial, r ca.Reason) crl.Entry {
	return crl.Entry{Serial: s, At: time.Now().Truncate(time.Second), Reason: r}
}

func TestDeltas(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.alice(), w.person("bob", time.Now())
	a, _ := ca.SerialOf(alice.Leaf.SerialNumber)
	b, _ := ca.SerialOf(bob.Leaf.SerialNumber)
	w.scheduled()
	base := w.number
	config := w.config()
	config.Dir = filepath.Join(t.TempDir(), "crls")
	c := w.fresh(config)

	w.change(base, entry(a, ca.CertificateHold))
	w.fetch(c)
	w.check(c, alice, "FAILED:on-hold")
	w.change(base, entry(a, ca.RemoveFromCRL), entry(b, ca.Superseded))
	w.fetch(c)
	w.check(c, alice, "SUCCESS")
	w.check(c, bob, "FAILED:revoked")
	if n := w.count(w.issuerCRL()); n != 1 {
		t.Errorf("the complete CRL was fetched %d times, not once", n)
	}
	if l := c.Levels()[1]; l.Number != "13" && l.Base == "" {
		t.Errorf("%+v", l)
	}

	// A restart while the CA is down knows what the delta said.
	w.set(func() { w.down = true })
	again := w.checker(config)
	_ = w.tryFetch(again)
	w.check(again, bob, "FAILED:revoked")
	w.set(func() { w.down = false })

	// What is held in the complete list is released by a delta.
	w.set(func() { w.revoked = []crl.Entry{entry(a, ca.CertificateHold), entry(b, ca.Superseded)} })
	w.scheduled()
	w.fetch(c)
	w.check(c, alice, "FAILED:on-hold")
	w.set(func() { w.revoked = w.revoked[1:] })
	w.change(w.number, entry(a, ca.RemoveFromCRL))
	w.fetch(c)
	w.check(c, alice, "SUCCESS")
	w.check(c, bob, "FAILED:revoked")
	if n := w.count(w.issuerCRL()); n != 2 {
		t.Errorf("the complete CRL was fetched %d times, not twice", n)
	}
}

// A delta whose base is newer than the list in hand leads to the complete list.
func TestDeltaWithoutItsBase(t *testing.T) {
	w := newWorld(t)
	alice := w.alice()
	w.scheduled()
	c := w.fresh(w.config())
	w.revoke(alice.Leaf, ca.KeyCompromise) // in a scheduled list that the checker does not see
	w.scheduled()
	w.change(w.number)
	w.fetch(c)
	w.check(c, alice, "FAILED:revoked")
	if n := w.count(w.issuerCRL()); n != 2 {
		t.Errorf("the complete CRL was fetched %d times, not twice", n)
	}
}

// Deltas never make things worse: each of these leads to the complete list, and what
// was revoked stays so.
func TestWorseDeltas(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	alice := w.alice()
	a, _ := ca.SerialOf(alice.Leaf.SerialNumber)
	w.scheduled()
	base := w.number
	w.revoke(alice.Leaf, ca.KeyCompromise)
	w.change(base, entry(a, ca.KeyCompromise)) // +1
	old := w.files[w.issuerDelta()]
	w.change(base, entry(a, ca.KeyCompromise)) // +2
	release := []crl.Entry{entry(a, ca.RemoveFromCRL)}
	for name, delta := range map[string][]byte{
		"older":          old,
		"same number":    w.list(w.Issuer, crl.Head{Number: w.number, Base: base}, release),
		"newer base":     w.list(w.Issuer, crl.Head{Number: w.number + 9, Base: w.number + 5}, release),
		"another CA's":   other.list(other.Issuer, crl.Head{Number: w.number + 1, Base: base}, release),
		"of a partition": w.list(w.Issuer, crl.Head{Number: w.number + 1, Base: base, IDP: catest.URL + "/x"}, release),
		"complete":       w.list(w.Issuer, crl.Head{Number: w.number + 1}, nil),
		"run out":        w.list(w.Issuer, crl.Head{Number: w.number + 1, Base: base, ThisUpdate: w.clock.Add(-2 * time.Hour), NextUpdate: w.clock.Add(-time.Hour)}, release),
		"not yet":        w.list(w.Issuer, crl.Head{Number: w.number + 1, Base: base, ThisUpdate: w.clock.Add(time.Hour)}, release),
		"below the base": w.list(w.Issuer, crl.Head{Number: base - 1, Base: base - 2}, release),
		"HTML":           []byte("<html>"),
		"cut":            old[:50],
		"nothing":        nil,
	} {
		c := w.checker(w.config())
		good := w.files[w.issuerDelta()]
		w.set(func() {
			w.files[w.issuerCRL()] = w.list(w.Issuer, crl.Head{Number: base, Freshest: catest.URL + w.issuerDelta()}, nil)
		})
		w.fetch(c) // complete: base
		w.fetch(c) // delta: +2
		w.check(c, alice, "FAILED:revoked")
		w.set(func() {
			w.files[w.issuerCRL()] = w.list(w.Issuer, crl.Head{Number: w.number, Freshest: catest.URL + w.issuerDelta()}, w.revoked)
			w.files[w.issuerDelta()] = delta
			w.asked[w.issuerCRL()] = 0
		})
		w.fetch(c)
		w.check(c, alice, "FAILED:revoked")
		if n := w.count(w.issuerCRL()); n != 1 {
			t.Errorf("%s: the complete CRL was fetched %d times, not once", name, n)
		}
		w.set(func() { w.files[w.issuerDelta()] = good })
	}
}

// A complete list from a slow cache does not undo a delta.
func TestOlderCompleteBehindADelta(t *testing.T) {
	w := newWorld(t)
	alice := w.alice()
	a, _ := ca.SerialOf(alice.Leaf.SerialNumber)
	w.scheduled()
	base := w.number
	c := w.fresh(w.config())
	w.change(base, entry(a, ca.KeyCompromise))
	w.change(base, entry(a, ca.KeyCompromise))
	w.fetch(c)
	w.check(c, alice, "FAILED:revoked")
	w.set(func() {
		w.files[w.issuerCRL()] = w.list(w.Issuer, crl.Head{Number: base + 1}, nil) // newer than the base, older than the delta
		delete(w.files, w.issuerDelta())
	})
	w.fetch(c)
	w.check(c, alice, "FAILED:revoked")
}

// Towards its end the complete list is fetched, whatever deltas say.
func TestDeltasDoNotKeepAnOldListAlive(t *testing.T) {
	w := newWorld(t)
	w.scheduled()
	c := w.fresh(w.config())
	w.change(w.number)
	w.fetch(c)
	if n := w.count(w.issuerCRL()); n != 1 {
		t.Fatalf("fetched %d times", n)
	}
	w.pass(7 * time.Hour)
	w.scheduled()
	w.fetch(c)
	if n := w.count(w.issuerCRL()); n != 2 {
		t.Errorf("fetched %d times", n)
	}
}
