package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
	"signet/revocation/crl"
	"signet/store/bolt"
)

// A history is a store to which random things happen, and beside it what they
// must come to: by the simplest means, without blocks, sums or sweeps.
type history struct {
	*testing.T
	*rand.Rand
	dir   string
	store *bolt.Store
	now   time.Time
	made  int64 // the latest CRL's
	certs []ca.Certificate
	fates map[ca.Serial]*fate
	since uint64             // a revision that changes are known from
	fresh map[ca.Serial]bool // what has changed after it
}

// A fate is what became of one certificate.
type fate struct {
	revocation *ca.Revocation // nil while it stands
	onCRL      bool
}

// Whatever happens, in whatever order: blocks, totals, changes and records say the same,
// and it is what must have come of it.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			dir := t.TempDir()
			h := &history{
				T: t, Rand: rand.New(rand.NewPCG(seed, 7)), dir: dir,
				now: time.Unix(1_900_000_000, 0).UTC(), fates: map[ca.Serial]*fate{}, fresh: map[ca.Serial]bool{},
			}
			h.made = h.now.Add(-time.Hour).Unix()
			h.open()
			for range 80 {
				h.step()
				h.check()
			}
			h.store.Close()
			checkFile(t, filepath.Join(dir, "signet.db"))
		})
	}
}

func (h *history) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *history) step() {
	h.now = h.now.Add(time.Duration(h.IntN(60)) * time.Second)
	switch h.IntN(12) {
	case 0, 1:
		h.issue(h.IntN(200))
	case 2, 3, 4:
		h.one(h.reason())
	case 5:
		h.one(ca.RemoveFromCRL)
	case 6, 7:
		h.many(h.reason())
	case 8:
		h.many(ca.RemoveFromCRL)
	case 9, 10:
		h.crlMade()
	default:
		h.store.Close()
		h.open()
	}
}

// open opens the store, which folds what is fresh never, always, or now and then.
func (h *history) open() {
	h.store = openIn(h.T, h.dir)
	if n := h.IntN(4); n > 0 {
		h.store.SetFresh(int64(10*n), []int64{0, 25, 400}[n-1])
	}
}

func (h *history) reason() ca.Reason {
	return []ca.Reason{ca.CertificateHold, ca.CertificateHold, ca.Unspecified, ca.KeyCompromise, ca.Superseded}[h.IntN(5)]
}

// issue records n certificates, some of them expired already, in any of four partitions.
func (h *history) issue(n int) {
	for range n {
		c := ca.Certificate{
			Issuer: oldIssuer, Partition: h.IntN(4), Account: "alice", Profile: "user",
			NotAfter: h.now.Add(time.Duration(h.IntN(4000)-600) * time.Second),
		}
		for i := range c.Serial {
			c.Serial[i] = byte(h.IntN(256))
		}
		c.Serial[0] = 1 + c.Serial[0]%0x7f
		h.must(h.store.RecordCertificate(h.Context(), c, audit.Event{Action: "certificate.issue"}))
		h.certs = append(h.certs, c)
		h.fates[c.Serial] = &fate{}
	}
}

// one revokes, holds or (removeFromCRL) releases one certificate, perhaps several times over.
func (h *history) one(reason ca.Reason) {
	if len(h.certs) == 0 {
		return
	}
	c := h.certs[h.IntN(len(h.certs))]
	for range 1 + h.IntN(3) {
		want := h.expect(&c, reason)
		var err error
		if reason == ca.RemoveFromCRL {
			err = h.store.Release(h.Context(), oldIssuer, c.Serial, audit.Event{})
		} else {
			err = h.store.Revoke(h.Context(), oldIssuer, c.Serial, h.revocation(reason), audit.Event{})
		}
		if !errors.Is(err, want) {
			h.Fatalf("%s %s: %v, want %v", reason, c.Serial, err, want)
		}
		if h.IntN(2) == 0 && reason == ca.CertificateHold {
			reason = ca.RemoveFromCRL
		}
	}
}

// many does the same to a random part of all.
func (h *history) many(reason ca.Reason) {
	var serials []ca.Serial
	wants := map[ca.Serial]error{}
	share := []int{2, 10, 100}[h.IntN(3)]
	for i := range h.certs {
		if h.IntN(share) == 0 {
			serials = append(serials, h.certs[i].Serial)
			wants[h.certs[i].Serial] = h.expect(&h.certs[i], reason)
		}
	}
	h.Shuffle(len(serials), func(i, j int) { serials[i], serials[j] = serials[j], serials[i] })
	event := func(ca.Certificate) audit.Event { return audit.Event{} }
	did := func(s ca.Serial, changed bool, err error) {
		if !errors.Is(err, wants[s]) {
			h.Errorf("%s %s of many: %v, want %v", reason, s, err, wants[s])
		}
		delete(wants, s)
	}
	if reason == ca.RemoveFromCRL {
		h.must(h.store.ReleaseAll(h.Context(), oldIssuer, serials, event, did))
	} else {
		h.must(h.store.RevokeAll(h.Context(), oldIssuer, serials, h.revocation(reason), event, did))
	}
	if len(wants) > 0 {
		h.Errorf("nothing was said of %d", len(wants))
	}
}

func (h *history) revocation(reason ca.Reason) ca.Revocation {
	return ca.Revocation{At: h.now, Reason: reason, By: "boss"}
}

// expect changes the certificate's fate and returns the error that the store must give.
func (h *history) expect(c *ca.Certificate, reason ca.Reason) error {
	f := h.fates[c.Serial]
	held := f.revocation != nil && f.revocation.Reason == ca.CertificateHold
	switch {
	case reason == ca.RemoveFromCRL && !held:
		return revocation.ErrNotOnHold
	case reason == ca.RemoveFromCRL:
		f.revocation, f.onCRL = nil, false
	case f.revocation != nil && !held:
		return revocation.ErrAlreadyRevoked
	case held && reason == ca.CertificateHold:
		return nil
	default:
		what := h.revocation(reason)
		f.revocation, f.onCRL = &what, true
	}
	h.fresh[c.Serial] = true
	return nil
}

// crlMade makes a CRL of some minutes ago, of now, or of a clock that was wrong.
func (h *history) crlMade() {
	at := h.now.Add(time.Duration(h.IntN(900)-450) * time.Second)
	base := uint64(0)
	if h.IntN(2) == 0 {
		h.since, h.fresh = h.revision(), map[ca.Serial]bool{}
		base = h.since
	}
	h.must(h.store.CRLMade(h.Context(), oldIssuer, at, base))
	h.made = max(h.made, at.Unix())
	for _, c := range h.certs {
		f := h.fates[c.Serial]
		if f.onCRL && h.made > c.NotAfter.Unix() && h.made >= f.revocation.At.Unix()+60 {
			f.onCRL = false
		}
	}
}

func (h *history) revision() uint64 {
	r, err := h.store.Revision(h.Context(), oldIssuer)
	h.must(err)
	return r
}

func (h *history) check() {
	h.Helper()
	h.must(h.store.CheckRevocations(h.Context(), oldIssuer))
	for partition := range 4 {
		h.checkScope(partition)
	}
	h.checkChanges()
}

func (h *history) checkScope(partition int) {
	h.Helper()
	var want, got []byte
	sorted := slices.SortedFunc(slices.Values(h.certs), func(a, b ca.Certificate) int {
		if partition == 0 && a.Partition != b.Partition {
			return a.Partition - b.Partition
		}
		return bytes.Compare(a.Serial[:], b.Serial[:])
	})
	n := 0
	for _, c := range sorted {
		if f := h.fates[c.Serial]; f.onCRL && (partition == 0 || partition == c.Partition) {
			var err error
			want, err = crl.AppendEntry(want, crl.Entry{Serial: c.Serial, At: f.revocation.At, Reason: f.revocation.Reason})
			h.must(err)
			n++
		}
	}
	h.must(h.store.RevokedEntries(h.Context(), revocation.Scope{Issuer: oldIssuer, Partition: partition},
		func(s revocation.Snapshot) error {
			if s.Entries != n || s.Octets != int64(len(want)) || s.Revision != h.revision() {
				h.Errorf("partition %d: %+v, want %d entries of %d octets", partition, s, n, len(want))
			}
			return nil
		}, func(der []byte) error { got = append(got, der...); return nil }))
	if !bytes.Equal(got, want) {
		h.Fatalf("partition %d has other entries than it should have", partition)
	}
}

func (h *history) checkChanges() {
	h.Helper()
	var got []ca.Serial
	_, err := h.store.Changed(h.Context(), oldIssuer, h.since, func(e revocation.Entry) bool {
		f := h.fates[e.Serial]
		switch {
		case f.revocation == nil && e.Reason == ca.RemoveFromCRL && e.At.IsZero():
		case f.revocation != nil && e.Reason == f.revocation.Reason && e.At.Equal(f.revocation.At):
		default:
			h.Errorf("%s has changed to %s, and is %+v", e.Serial, e.Reason, f.revocation)
		}
		got = append(got, e.Serial)
		return true
	})
	h.must(err)
	if len(got) != len(h.fresh) || !slices.IsSortedFunc(got, func(a, b ca.Serial) int { return bytes.Compare(a[:], b[:]) }) {
		h.Errorf("%d changes since %d, want %d", len(got), h.since, len(h.fresh))
	}
	for _, s := range got {
		if !h.fresh[s] {
			h.Errorf("%s has not changed", s)
		}
	}
}
