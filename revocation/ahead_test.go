package revocation

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/ocsp"
)

// A crowd is a store with as many certificates as one likes, which takes no memory.
// The serial number's last octets count them.
type crowd struct {
	Store
	mu       sync.Mutex // owns the four below
	issued   uint32
	revoked  map[ca.Serial]ca.Revocation
	revision uint64
	ends     func(n uint32) time.Time
	read     atomic.Int64 // statuses and lines of Newest that were read
}

func serialNumber(n uint32) (s ca.Serial) {
	s[0] = byte(1 + n%100)
	binary.BigEndian.PutUint32(s[16:], n+1)
	return s
}

func numberOf(s ca.Serial) uint32 { return binary.BigEndian.Uint32(s[16:]) - 1 }

func (c *crowd) Revision(context.Context, string) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.revision, nil
}

func (c *crowd) Certificate(_ context.Context, _ string, serial ca.Serial) (ca.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read.Add(1)
	n := numberOf(serial)
	cert := ca.Certificate{Serial: serial}
	if r, ok := c.revoked[serial]; ok {
		cert.Revocation = &r
	} else if n >= c.issued || serial != serialNumber(n) {
		return cert, ErrNotFound
	}
	cert.NotAfter = c.ends(n)
	return cert, nil
}

func (c *crowd) Newest(_ context.Context, _ string, before ca.Serial, yield func(ca.Serial, time.Time) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.issued
	if before != (ca.Serial{}) {
		n = numberOf(before)
	}
	for ; n > 0; n-- {
		c.read.Add(1)
		if !yield(serialNumber(n-1), c.ends(n-1)) {
			return nil
		}
	}
	return nil
}

func (c *crowd) issue(n uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued += n
}

func (c *crowd) revoke(serial ca.Serial, r *ca.Revocation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revision++
	delete(c.revoked, serial)
	if r != nil {
		c.revoked[serial] = *r
	}
}

// newCrowd is a responder for so many certificates, which may keep so many octets.
func newCrowd(t *testing.T, issued uint32, memory int64) (*crowd, *Responder) {
	t.Helper()
	h := catest.NewAt(t, time.Now().Add(-time.Hour))
	store := &crowd{
		issued: issued, revoked: map[ca.Serial]ca.Revocation{},
		ends: func(uint32) time.Time { return time.Now().Add(365 * 24 * time.Hour) },
	}
	times := &atomic.Pointer[Times]{}
	times.Store(&Times{OCSPLifetime: time.Hour})
	c := Config{
		Store: store, Issuer: h.Issuer, OCSPMemory: memory, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		IssueResponder: func(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error) {
			issued, err := h.Issuer.IssueResponder(ctx, h.Serial(t), pub, 24*time.Hour, time.Now())
			if err != nil {
				return nil, err
			}
			return issued.X509()
		},
	}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	r, err := newResponder(c, times)
	if err != nil {
		t.Fatal(err)
	}
	return store, r
}

// inACrowd runs test in a bubble, with the responder running.
func inACrowd(t *testing.T, issued uint32, memory int64, test func(t *testing.T, store *crowd, r *Responder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, r := newCrowd(t, issued, memory)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.run(ctx) }()
		time.Sleep(lookEvery + time.Second)
		synctest.Wait()
		test(t, store, r)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// ready reports whether whoever asks about the nth certificate gets a kept answer.
func (r *Responder) ready(n uint32) bool {
	k := r.answers.get(answerKey{aheadForm, serialNumber(n)})
	revision, _ := r.store.Revision(context.Background(), "")
	return k != nil && k.servable(time.Now().Unix()) && k.revision.Load() == revision
}

// ask asks about the nth certificate.
func (r *Responder) ask(t *testing.T, n uint32, form int) *kept {
	t.Helper()
	k, _, err := r.current(t.Context(), answerKey{uint8(form), serialNumber(n)}, time.Now())
	if err != nil || k == nil {
		t.Fatalf("asked about %d: %v, %v", n, k, err)
	}
	return k
}

func (r *Responder) kept() (count int, octets int64) {
	r.answers.mu.RLock()
	defer r.answers.mu.RUnlock()
	return len(r.answers.byKey), r.answers.octets
}

func TestAMillionCertificates(t *testing.T) {
	const million, memory = 1_000_000, 1 << 20
	inACrowd(t, million, memory, func(t *testing.T, store *crowd, r *Responder) {
		count, octets := r.kept()
		if octets > memory || octets < memory*9/10 || count < 800 {
			t.Errorf("%d answers are kept in %d octets", count, octets)
		}
		for n := range uint32(count) {
			if !r.ready(million - 1 - n) {
				t.Fatalf("the %dth youngest of %d has no answer", n, count)
			}
		}
		if n := store.read.Load(); n > int64(3*count+2*aheadBatch) {
			t.Errorf("%d readings for %d answers", n, count)
		}
		// Those that are asked for stay while the young ones leave.
		for n := range uint32(100) {
			r.ask(t, n, 0)
		}
		store.issue(1000)
		time.Sleep(3 * lookEvery)
		synctest.Wait()
		for n := range uint32(100) {
			if !r.ready(n) || !r.ready(million+999-n) {
				t.Fatalf("%d: asked for %v, young %v", n, r.ready(n), r.ready(million+999-n))
			}
		}
		// A look that finds nothing to do costs next to nothing.
		before := store.read.Load()
		time.Sleep(10 * lookEvery)
		synctest.Wait()
		if n := store.read.Load() - before; n > 100 {
			t.Errorf("%d readings while nothing happens", n)
		}
		if _, octets := r.kept(); octets > memory {
			t.Errorf("%d octets", octets)
		}
	})
}

// Whoever asks about any certificate at any time finds an answer that was signed before.
func TestNobodyWaits(t *testing.T) {
	inACrowd(t, 50, 0, func(t *testing.T, store *crowd, r *Responder) {
		asked := r.ask(t, 3, 2)
		signer := r.signer.Load()
		for range 30 * 60 { // a day and more: the signer is renewed too
			time.Sleep(time.Minute)
			synctest.Wait()
			for n := range uint32(50) {
				if !r.ready(n) {
					t.Fatalf("at %v, %d has no answer", time.Now(), n)
				}
			}
		}
		if next := r.signer.Load(); next == signer || next.Key != signer.Key {
			t.Error("the signer was not renewed, or has another key, which is not on disk")
		}
		if r.answers.get(asked.key) != nil {
			t.Error("an answer of an unusual form that nobody asks for any more is still kept")
		}
		store.mu.Lock()
		store.ends = func(n uint32) time.Time { return time.Now().Add(time.Duration(int(n)-25) * time.Hour) }
		store.mu.Unlock()
		time.Sleep(time.Hour)
		if count, _ := r.kept(); count > 25 {
			t.Errorf("%d answers are kept, some for certificates that have ended", count)
		}
	})
}

func TestARevokedOneIsSignedAtOnce(t *testing.T) {
	inACrowd(t, 10, 0, func(t *testing.T, store *crowd, r *Responder) {
		serial := serialNumber(4)
		for _, rev := range []*ca.Revocation{{At: time.Now(), Reason: ca.CertificateHold}, nil, {At: time.Now(), Reason: ca.KeyCompromise}} {
			store.revoke(serial, rev)
			r.notify(serial)
			synctest.Wait()
			k := r.answers.get(answerKey{aheadForm, serial})
			if !r.ready(4) || (k.what.status == ocsp.Revoked) != (rev != nil) {
				t.Errorf("%+v: %+v", rev, k)
			}
		}
		// The others' are right again as soon as somebody asks, without a signature.
		old := r.answers.get(answerKey{aheadForm, serialNumber(5)})
		if r.ready(5) || r.ask(t, 5, 0) != old || !r.ready(5) {
			t.Error("an answer that a revocation does not concern is not kept")
		}
	})
}

func TestARevokedSignerSignsNoMore(t *testing.T) {
	inACrowd(t, 10, 0, func(t *testing.T, store *crowd, r *Responder) {
		signer := r.signer.Load()
		store.revoke(signer.serial, &ca.Revocation{At: time.Now(), Reason: ca.KeyCompromise})
		key := answerKey{aheadForm, serialNumber(1)}
		if _, _, err := r.current(t.Context(), key, time.Now()); err != ocsp.TryLater {
			t.Errorf("the next answer: %v", err)
		}
		if count, _ := r.kept(); count != 0 {
			t.Errorf("%d answers of the revoked signer are kept", count)
		}
		synctest.Wait()
		if next := r.signer.Load(); next == nil || next == signer || next.Key == signer.Key || r.ask(t, 1, 0).signer != next {
			t.Error("there is no other signer")
		}
		time.Sleep(lookEvery)
		synctest.Wait()
		if !r.ready(7) {
			t.Error("answers are not signed ahead any more")
		}
	})
}

// However many ask while there is no signer, the log says so once, and again the next time.
func TestALackOfSignersIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	_, r := newCrowd(t, 10, 0)
	r.logger = slog.New(slog.NewTextHandler(&log, nil))
	for occurrence := range 2 {
		r.signer.Store(nil)
		for range 50 {
			if _, _, err := r.current(t.Context(), answerKey{aheadForm, serialNumber(1)}, time.Now()); err != ocsp.TryLater {
				t.Fatalf("without a signer: %v", err)
			}
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != occurrence+1 {
			t.Errorf("%d errors in the log after %d occurrences", n, occurrence+1)
		}
		if err := r.renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.ask(t, 1, 0)
	}
}

// While certificates are issued one after the other, nothing is signed beside.
func TestIssuingComesFirst(t *testing.T) {
	inACrowd(t, 10, 0, func(t *testing.T, store *crowd, r *Responder) {
		for second := range 50 {
			store.issue(1)
			time.Sleep(time.Second)
			synctest.Wait()
			if count, _ := r.kept(); count > 10 {
				t.Fatalf("after %d s of issuing, %d answers were signed", second, count)
			}
		}
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if count, _ := r.kept(); count != 60 {
			t.Errorf("in the quiet after it, %d of 60", count)
		}
		for range 70 {
			store.issue(1)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if count, _ := r.kept(); count < 110 {
			t.Errorf("after a minute of issuing, %d", count)
		}
	})
}

func TestTheBoundMayChange(t *testing.T) {
	inACrowd(t, 5000, 0, func(t *testing.T, store *crowd, r *Responder) {
		for _, memory := range []int64{100 << 10, 1 << 20, -1, 0} {
			r.SetMemory(memory)
			time.Sleep(2 * lookEvery)
			synctest.Wait()
			count, octets := r.kept()
			if memory == 0 {
				memory = defaultMemory
			}
			if octets > max(memory, 0) || octets < memory*8/10 || count == 0 && memory > 0 {
				t.Errorf("%d octets: %d answers in %d", memory, count, octets)
			}
			r.ask(t, 7, 0) // with room or without
		}
	})
}

// TestKeptOctets holds what is counted to what is there.
func TestKeptOctets(t *testing.T) {
	store, r := newCrowd(t, 20_000, 1<<30)
	if err := r.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for n := range uint32(20_000) {
		r.ask(t, n, 0).fieldsAt(time.Now().Unix())
	}
	there := heap() - before
	count, counted := r.kept()
	t.Logf("%d octets each, %d counted", there/int64(count), counted/int64(count))
	if there > counted || there < counted/2 {
		t.Errorf("%d answers take %d octets, %d are counted", count, there, counted)
	}
	runtime.KeepAlive(store)
}
