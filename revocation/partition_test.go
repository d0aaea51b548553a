package revocation_test

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/internal/audit"
	"signet/revocation"
	"signet/revocation/crl"
)

// partition has certificates from now on spread over n partitions.
func (w *world) partition(n int) {
	w.Helper()
	var err error
	w.URLs.Partitions, err = revocation.EnsurePartitions(context.Background(), w.store, w.Issuer.ID(), catest.URL, n)
	must(w, err)
}

func (w *world) scope(partition int) revocation.Scope {
	return revocation.Scope{Issuer: w.Issuer.ID(), Partition: partition}
}

// issueFor issues and records a certificate that ends after lifetime.
func (w *world) issueFor(lifetime time.Duration) *ca.Certificate {
	w.Helper()
	conf := ca.DefaultProfile()
	conf.Lifetime = lifetime.String()
	profile, err := ca.NewProfile("short", conf)
	must(w, err)
	c, err := w.Issuer.Issue(context.Background(), profile, ca.Request{
		Person: ca.Person{Name: "alice"}, CSR: catest.CSR(w, catest.Key(w), pkix.Name{}), Serial: w.Serial(w),
	}, w.URLs, w.now())
	must(w, err)
	c.Account = "alice"
	must(w, w.store.RecordCertificate(context.Background(), *c, audit.Event{Action: "certificate.issue"}))
	return c
}

// states are what a list says of each serial.
func states(l *crl.List) map[string]ca.Reason {
	out := map[string]ca.Reason{}
	for r := range l.All() {
		out[fmt.Sprintf("%x", r.Serial)] = r.Reason
	}
	return out
}

func TestPartitionsHaveCRLsOfTheirOwn(t *testing.T) {
	w := newWorld(t, nil)
	before := w.issue("alice")
	w.partition(3)
	w.run()
	certs := []*ca.Certificate{before}
	for range 20 {
		certs = append(certs, w.issue("alice"))
	}
	for _, c := range certs {
		w.revoke(c, ca.Superseded)
	}
	w.refresh()
	if n := len(w.onCRL()); n != len(certs) {
		t.Errorf("%d entries on the complete CRL", n)
	}
	for n := 1; n <= 3; n++ {
		l := w.list(w.scope(n), false)
		if len(l.IDP) != 1 || l.IDP[0] != ca.PartitionURL(catest.URL, w.Issuer.ID(), n) || l.Base != nil {
			t.Errorf("partition %d: IDP %q, base %v", n, l.IDP, l.Base)
		}
		must(t, crl.Check(l, w.Intermediate, time.Now(), 0))
		got := states(l)
		for _, c := range certs {
			if _, ok := got[c.Serial.String()]; ok != (c.Partition == n) {
				t.Errorf("a certificate of partition %d on the CRL of partition %d: %v", c.Partition, n, ok)
			}
		}
	}
	// Only those that changed are made at a revocation.
	numbers := map[int]string{}
	for n := range 4 {
		numbers[n] = w.list(w.scope(n), false).Number.String()
	}
	last := w.issue("alice")
	w.revoke(last, ca.Superseded)
	w.refresh()
	for n, was := range numbers {
		if changed := w.list(w.scope(n), false).Number.String() != was; changed != (n == 0 || n == last.Partition) {
			t.Errorf("after a revocation in partition %d: another CRL of %d: %v", last.Partition, n, changed)
		}
	}
	// More of them later, and fewer: no certificate moves.
	first := w.URLs.Partitions
	w.partition(5)
	for i, p := range first {
		if w.URLs.Partitions[i] != p {
			t.Errorf("partition %d is another", i)
		}
	}
	w.refresh()
	if l := w.list(w.scope(5), false); l.Entries != 0 {
		t.Errorf("%d entries in a new partition", l.Entries)
	}
	w.partition(2)
	if len(w.URLs.Partitions) != 2 {
		t.Errorf("%d partitions", len(w.URLs.Partitions))
	}
	w.restart()
	w.refresh()
	if got := states(w.list(w.scope(last.Partition), false)); len(got) == 0 {
		t.Error("the partition's CRL is empty after a restart")
	}
}

func TestPartitionsURLs(t *testing.T) {
	w := newWorld(t, func(c *revocation.Config) { c.DeltaOf = "http://ca.example:8080/crl/x.crl" })
	w.partition(2)
	w.refresh()
	id := w.Issuer.ID()
	for path, want := range map[string]int{
		".crl": 200, "/1.crl": 200, "/2.crl": 200, ".delta.crl": 200, "/1.delta.crl": 200, "/2.delta.crl": 200,
		"/0.crl": 404, "/3.crl": 404, "/-1.crl": 404, "/01.crl": 404, "/+1.crl": 404, "/1/2.crl": 404, "/.crl": 404,
		"/3.delta.crl": 404, "/99999999999999999999.crl": 404,
	} {
		if got := w.get("/crl/" + id + path); got.Code != want || want == 200 && got.Header().Get("Content-Type") != crl.ContentType {
			t.Errorf("%s: %d %s", path, got.Code, got.Header())
		}
	}
	for _, path := range []string{"/1.crl", ".delta.crl"} {
		if got := w.get("/crl/" + w.RootIssuer.ID() + path); got.Code == 200 {
			t.Errorf("root's %s: %d", path, got.Code)
		}
	}
	w.service.SetCRLs("")
	w.refresh()
	if got := w.get("/crl/" + id + ".delta.crl"); got.Code != 404 {
		t.Errorf("a delta where there are none: %d", got.Code)
	}
	if l := w.list(w.scope(0), false); l.Freshest != nil {
		t.Errorf("FreshestCRL %q where there is no delta", l.Freshest)
	}
}

// TestDeltasAreConsistent: whoever holds any complete CRL from the base on and the
// newest delta knows what the newest complete CRL says, in every scope and
// whatever happened. Of what has expired it does not matter.
func TestDeltasAreConsistent(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			now := time.Now().Truncate(time.Second)
			w := newWorld(t, func(c *revocation.Config) {
				c.Now = func() time.Time { return now }
				c.DeltaOf = ca.URLsAt(catest.URL, "x").CRL
				c.CRLLifetime, c.CRLOverlap = 24*time.Hour, 16*time.Hour
			})
			random := rand.New(rand.NewPCG(seed, 0))
			w.partition(int(seed % 3))
			h := history{world: w, ends: map[string]time.Time{}, seen: map[int][]*crl.List{}}
			for range 14 {
				c := w.issueFor(time.Duration(1+random.IntN(60)) * time.Hour)
				h.certs = append(h.certs, c)
				h.ends[c.Serial.String()] = c.NotAfter
			}
			for range 60 {
				for range 1 + random.IntN(4) {
					h.change(random)
				}
				w.refresh()
				h.check(now)
				now = now.Add(time.Duration(random.IntN(120)) * time.Minute)
			}
		})
	}
}

// A history is what has become of some certificates.
type history struct {
	*world
	certs []*ca.Certificate
	ends  map[string]time.Time
	seen  map[int][]*crl.List // the complete CRLs of each scope
}

// change revokes, holds or releases a certificate, or finds that it can't.
func (h *history) change(random *rand.Rand) {
	h.Helper()
	c, ctx, err := h.certs[random.IntN(len(h.certs))], context.Background(), error(nil)
	switch random.IntN(8) {
	case 0:
		_, err = h.service.Revoker.Revoke(ctx, c.Serial, ca.KeyCompromise, audit.Operator)
	case 1, 2, 3, 4:
		_, err = h.service.Revoker.Hold(ctx, c.Serial, audit.Operator)
	default:
		_, err = h.service.Revoker.Release(ctx, c.Serial, audit.Operator)
	}
	if err != nil && !errors.Is(err, revocation.ErrAlreadyRevoked) && !errors.Is(err, revocation.ErrNotOnHold) {
		h.Fatal(err)
	}
}

func (h *history) check(now time.Time) {
	h.Helper()
	for n := 0; n <= len(h.URLs.Partitions); n++ {
		newest, delta := h.list(h.scope(n), false), h.list(h.scope(n), true)
		must(h, crl.Check(delta, h.Intermediate, now, 0))
		must(h, crl.Check(newest, h.Intermediate, now, 0))
		if (newest.IDP == nil) != (n == 0) || (delta.IDP == nil) != (n == 0) || len(newest.Freshest) != 1 {
			h.Fatalf("scope %d: IDP %q and %q, FreshestCRL %q", n, newest.IDP, delta.IDP, newest.Freshest)
		}
		if delta.Number.Cmp(newest.Number) != 0 {
			h.Fatalf("scope %d: CRL number %v, delta number %v", n, newest.Number, delta.Number)
		}
		h.seen[n] = append(h.seen[n], newest)
		want := h.alive(states(newest), now)
		for _, l := range h.seen[n] {
			if l.Number.Cmp(delta.Base) < 0 {
				continue
			}
			got := states(l)
			for serial, reason := range states(delta) {
				if got[serial] = reason; reason == ca.RemoveFromCRL {
					delete(got, serial)
				}
			}
			if got = h.alive(got, now); fmt.Sprint(got) != fmt.Sprint(want) {
				h.Fatalf("scope %d: CRL %v and the delta %v of %v say\n%v\nand CRL %v says\n%v",
					n, l.Number, delta.Number, delta.Base, got, newest.Number, want)
			}
		}
	}
}

// alive is without what has expired.
func (h *history) alive(of map[string]ca.Reason, now time.Time) map[string]ca.Reason {
	out := map[string]ca.Reason{}
	for serial, reason := range of {
		if h.ends[serial].After(now) {
			out[serial] = reason
		}
	}
	return out
}

// TestHoldReleaseHold: within a second, with all of it between two CRLs, and with a CRL
// in between.
func TestHoldReleaseHold(t *testing.T) {
	for _, between := range []bool{false, true} {
		w := newWorld(t, func(c *revocation.Config) { c.DeltaOf = ca.URLsAt(catest.URL, "x").CRL })
		w.partition(2)
		w.refresh()
		c := w.issue("alice")
		ctx := context.Background()
		refresh := func() {
			if between {
				w.refresh()
			}
		}
		says := func(want bool, removal bool) {
			t.Helper()
			w.refresh()
			for _, n := range []int{0, c.Partition} {
				reason, on := states(w.list(w.scope(n), false))[c.Serial.String()]
				if on != want || on && reason != ca.CertificateHold {
					t.Errorf("between %v, scope %d: on the CRL: %v %v", between, n, on, reason)
				}
				reason, on = states(w.list(w.scope(n), true))[c.Serial.String()]
				if !on || (reason == ca.RemoveFromCRL) != removal {
					t.Errorf("between %v, scope %d: on the delta: %v %v", between, n, on, reason)
				}
			}
		}
		hold := func() { _, err := w.service.Revoker.Hold(ctx, c.Serial, "boss"); must(t, err) }
		release := func() { _, err := w.service.Revoker.Release(ctx, c.Serial, "boss"); must(t, err) }
		hold()
		refresh()
		release()
		refresh()
		hold()
		says(true, false)
		release()
		says(false, true)
	}
}

// TestRevokedWhileCRLsAreMade: in a partition that is not made this time, and after
// the complete CRL was read, or before. The next ones say it all.
func TestRevokedWhileCRLsAreMade(t *testing.T) {
	w := newWorld(t, func(c *revocation.Config) { c.DeltaOf = ca.URLsAt(catest.URL, "x").CRL })
	w.partition(2)
	w.refresh()
	in := map[int][]*ca.Certificate{}
	for len(in[1]) < 2 || len(in[2]) < 2 {
		c := w.issue("alice")
		in[c.Partition] = append(in[c.Partition], c)
	}
	w.revoke(in[1][0], ca.Superseded)
	w.store.begun = func() { // once it is known that only partition 1 has changed
		w.revoke(in[2][0], ca.Superseded)
		w.store.begun = func() { w.revoke(in[1][1], ca.Superseded) } // when the complete CRL is out
	}
	w.refresh()
	complete, delta := w.list(w.scope(0), false), w.list(w.scope(0), true)
	if complete.Entries != 2 || delta.Entries != 3 || delta.Number.Cmp(complete.Number) <= 0 {
		t.Errorf("CRL %v with %d entries, delta %v with %d", complete.Number, complete.Entries, delta.Number, delta.Entries)
	}
	w.refresh()
	for n, want := range map[int]int{0: 3, 1: 2, 2: 1} {
		for _, delta := range []bool{false, true} {
			if got := w.list(w.scope(n), delta).Entries; got != want {
				t.Errorf("scope %d, delta %v: %d entries", n, delta, got)
			}
		}
	}
}

// TestExpiredAppearsOnceMoreEverywhere: on the complete CRL and on its partition's
// (RFC 5280, Section 3.3), which are made together only on schedule.
func TestExpiredAppearsOnceMoreEverywhere(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *revocation.Config) {
		c.Now = func() time.Time { return now }
		c.CRLLifetime, c.CRLOverlap = 24*time.Hour, 12*time.Hour
		c.DeltaOf = ca.URLsAt(catest.URL, "x").CRL
	})
	w.partition(2)
	alice := w.issueFor(6 * time.Hour)
	w.revoke(alice, ca.KeyCompromise)
	w.refresh()
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{
		{time.Hour, true}, {6 * time.Hour, true}, {2 * time.Hour, true}, // not on schedule
		{4 * time.Hour, true}, // on schedule, and so for the last time
		{time.Minute, false}, {13 * time.Hour, false},
	} {
		now = now.Add(step.after)
		w.revoke(w.issue("bob"), ca.Superseded) // so that there is something to be made
		w.refresh()
		if _, on := states(w.list(w.scope(0), false))[alice.Serial.String()]; on != step.want {
			t.Errorf("at %v, with alice's end at %v: on the complete CRL: %v", now, alice.NotAfter, on)
		}
		if _, on := states(w.list(w.scope(alice.Partition), false))[alice.Serial.String()]; !on && step.want {
			t.Errorf("at %v, with alice's end at %v: not on the partition's CRL", now, alice.NotAfter)
		}
	}
	if _, on := states(w.list(w.scope(alice.Partition), false))[alice.Serial.String()]; on {
		t.Error("alice stays on the partition's CRL")
	}
}
