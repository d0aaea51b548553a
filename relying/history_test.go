package relying

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/crl"
)

// A history is what a CA has published: every complete list and delta, and what
// was revoked as of each number.
type history struct {
	*world
	random    *rand.Rand
	people    []*x509.Certificate
	serials   []ca.Serial
	state     map[ca.Serial]crl.Entry            // now
	states    map[uint64]map[ca.Serial]crl.Entry // by number
	base      uint64
	completes map[uint64][]byte
	deltas    map[uint64][]byte // not of each number
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{world: newWorld(t), random: rand.New(rand.NewPCG(seed, 1)), state: map[ca.Serial]crl.Entry{},
		states: map[uint64]map[ca.Serial]crl.Entry{}, completes: map[uint64][]byte{}, deltas: map[uint64][]byte{}}
	for i := range 6 {
		cert := h.person(fmt.Sprint("p", i), h.clock).Leaf
		serial, _ := ca.SerialOf(cert.SerialNumber)
		h.people, h.serials = append(h.people, cert), append(h.serials, serial)
	}
	h.next(true)
	return h
}

// change revokes, holds or releases somebody.
func (h *history) change() {
	serial := h.serials[h.random.IntN(len(h.serials))]
	switch old, there := h.state[serial]; {
	case !there && h.random.IntN(4) == 0:
		h.state[serial] = entry(serial, ca.Superseded)
	case !there:
		h.state[serial] = entry(serial, ca.CertificateHold)
	case old.Reason == ca.CertificateHold:
		delete(h.state, serial)
	}
}

// next publishes: a complete list, on schedule or for a change, and its delta.
func (h *history) next(scheduled bool) {
	h.number++
	now := map[ca.Serial]crl.Entry{}
	var entries []crl.Entry
	for _, s := range h.serials {
		if e, ok := h.state[s]; ok {
			now[s] = e
			entries = append(entries, e)
		}
	}
	h.states[h.number] = now
	h.completes[h.number] = h.list(h.Issuer, crl.Head{Number: h.number, Freshest: catest.URL + h.issuerDelta()}, entries)
	if scheduled {
		h.base = h.number
		return
	}
	h.deltas[h.number] = h.list(h.Issuer, crl.Head{Number: h.number, Base: h.base}, h.since(h.base))
}

// since are the entries of a delta: all that has changed since base, as it is now.
// What was held and released in between is among them: whoever has the complete list
// of a number between the two has it on hold.
func (h *history) since(base uint64) (out []crl.Entry) {
	for _, s := range h.serials {
		changed := false
		for n := base; n < h.number; n++ {
			changed = changed || h.states[n][s] != h.states[n+1][s]
		}
		now, is := h.state[s]
		switch {
		case changed && is:
			out = append(out, now)
		case changed:
			out = append(out, entry(s, ca.RemoveFromCRL))
		}
	}
	return out
}

func pick(r *rand.Rand, files map[uint64][]byte) []byte {
	var numbers []uint64
	for n := range files {
		numbers = append(numbers, n)
	}
	if len(numbers) == 0 {
		return nil
	}
	slices.Sort(numbers)
	return files[numbers[r.IntN(len(numbers))]]
}

// serve puts on the network what a cache, a proxy or a restored CA may give.
func (h *history) serve() (fresh bool) {
	weather := h.random.IntN(6)
	complete, delta := h.completes[h.number], h.deltas[h.number]
	switch weather {
	case 0: // an old complete list
		complete = pick(h.random, h.completes)
	case 1: // an old delta
		delta = pick(h.random, h.deltas)
	case 2:
		complete, delta = pick(h.random, h.completes), pick(h.random, h.deltas)
	case 3:
		delta = []byte("<html>")
	}
	h.set(func() {
		h.files[h.issuerCRL()] = complete
		h.files[h.issuerDelta()] = delta
		if delta == nil {
			delete(h.files, h.issuerDelta())
		}
	})
	return weather > 3
}

// Whatever histories of changes, schedules, caches and restarts there are: what a
// checker says is always the CA's state as of one number, and that number only grows.
func TestHistories(t *testing.T) {
	for seed := range uint64(12) {
		h := newHistory(t, seed)
		config := h.config()
		config.Dir = t.TempDir()
		c, last := h.checker(config), uint64(0)
		for step := range 40 {
			for range h.random.IntN(3) {
				h.change()
			}
			h.next(h.random.IntN(6) == 0)
			fresh := h.serve()
			if h.random.IntN(8) == 0 {
				c = h.checker(config) // a restart
			}
			_ = h.tryFetch(c)
			level := c.Levels()[1]
			number, _ := strconv.ParseUint(level.Number, 10, 64)
			if number < last || fresh && number != h.number {
				t.Fatalf("seed %d, step %d: number %d after %d; the CA is at %d", seed, step, number, last, h.number)
			}
			last = number
			h.compare(c, number, seed, step)
		}
	}
}

func (h *history) compare(c *Checker, number uint64, seed uint64, step int) {
	h.Helper()
	for i, cert := range h.people {
		want := "SUCCESS"
		if number == 0 {
			want = "FAILED:no-crl"
		} else if e, ok := h.states[number][h.serials[i]]; ok {
			want = map[ca.Reason]string{ca.Superseded: "FAILED:revoked", ca.CertificateHold: "FAILED:on-hold"}[e.Reason]
		}
		if id, _ := c.Check(h.Context(), []*x509.Certificate{cert}); id.String() != want {
			h.Fatalf("seed %d, step %d: %s (%s) as of number %d, want %s", seed, step, id, id.Detail, number, want)
		}
	}
}
