package relying

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"runtime"
	"slices"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/crl"
)

const million = 1_000_000

// bigList is the DER of a CRL of n entries with random serials, in no order, and
// some of the serials.
func (w *world) bigList(n int, number uint64) (der []byte, some []*big.Int) {
	w.Helper()
	entries := make([]byte, 0, n*(crl.MaxEntry+1))
	at := time.Now()
	for i := range n {
		var s ca.Serial
		_, _ = rand.Read(s[:])
		s[0] = 1 + s[0]%0x7e
		var err error
		if entries, err = crl.AppendEntry(entries, crl.Entry{Serial: s, At: at, Reason: ca.KeyCompromise}); err != nil {
			w.Fatal(err)
		}
		if i%1000 == 0 {
			some = append(some, s.Big())
		}
	}
	var out crl.Memory
	head := crl.Head{Number: number, ThisUpdate: at.Add(-time.Hour), NextUpdate: at.Add(9 * time.Hour)}
	if _, err := crl.Write(&out, w.Issuer, head, crl.Encoded(entries, n)); err != nil {
		w.Fatal(err)
	}
	return slices.Clip([]byte(out)), some
}

func parsed(t testing.TB, der []byte) *crl.List {
	t.Helper()
	list, err := crl.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a list of many entries costs beside its own octets, and what a lookup allocates.
func TestMemoryOfALongList(t *testing.T) {
	w := newWorld(t)
	const n = 200_000
	der, some := w.bigList(n, 20)
	l := &level{ca: w.Intermediate}
	before := inUse()
	l.setComplete(parsed(t, der))
	after := inUse()
	perEntry := float64(after-before) / n
	t.Logf("%.1f octets an entry beside the DER's %.1f", perEntry, float64(len(der))/n)
	if after > before && perEntry > 24 {
		t.Errorf("%.1f octets an entry beside the DER, want at most 24", perEntry)
	}
	s := l.now.Load()
	if allocated := testing.AllocsPerRun(1000, func() { s.find(some[7]) }); allocated != 0 {
		t.Errorf("a lookup allocates %v times", allocated)
	}
	runtime.KeepAlive(l)
}

func BenchmarkSwapOfAMillionEntries(b *testing.B) {
	w := newWorld(b)
	der, _ := w.bigList(million, 20)
	before := inUse()
	l := &level{ca: w.Intermediate}
	for b.Loop() {
		list := parsed(b, der)
		l = &level{ca: w.Intermediate}
		l.setComplete(list)
	}
	b.ReportMetric(float64(inUse()-before)/million, "octets/entry")
	b.ReportMetric(float64(len(der))/million, "DER-octets/entry")
	runtime.KeepAlive(l)
}

func BenchmarkFindAmongAMillion(b *testing.B) {
	w := newWorld(b)
	der, some := w.bigList(million, 20)
	l := &level{ca: w.Intermediate}
	l.setComplete(parsed(b, der))
	s := l.now.Load()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := s.find(some[i%len(some)]); !ok {
			b.Fatal("not found")
		}
		i++
	}
}

// BenchmarkCheck is one request's whole check: chain, dates, both levels, among a
// million revoked.
func BenchmarkCheck(b *testing.B) {
	w := newWorld(b)
	der, _ := w.bigList(million, 20)
	w.set(func() { w.files[w.issuerCRL()] = der })
	c := w.fresh(w.config())
	leaf, err := w.Issue(b, "alice", catest.Key(b), time.Now()).X509()
	if err != nil {
		b.Fatal(err)
	}
	chain := []*x509.Certificate{leaf}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Check(context.Background(), chain); err != nil {
			b.Fatal(err)
		}
	}
}
