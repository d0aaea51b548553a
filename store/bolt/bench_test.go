package bolt_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
	"signet/store/bolt"
)

// A load enrolls from several goroutines into one store.
type load struct {
	store    *bolt.Store
	serials  *ca.SerialSource
	accounts int
	next     atomic.Int64
	der      []byte
}

func newLoad(t testing.TB, s *bolt.Store) *load {
	t.Helper()
	l := &load{store: s, serials: ca.NewSerialSource(s), accounts: 100, der: make([]byte, 900)}
	rand.Read(l.der)
	for i := range l.accounts {
		err := s.AddAccount(t.Context(), enroll.Account{Name: fmt.Sprintf("user%d", i)}, audit.Event{Action: "account.add"})
		if err != nil && err != enroll.ErrExists {
			t.Fatal(err)
		}
	}
	return l
}

// enrollment is the next one: a new key, CSR and nonce.
func (l *load) enrollment(ctx context.Context) (enroll.Enrollment, error) {
	serial, err := l.serials.Next(ctx)
	if err != nil {
		return enroll.Enrollment{}, err
	}
	n := l.next.Add(1)
	unique := sha256.Sum256(append(serial[:], strconv.Itoa(int(n))...))
	now := time.Now().UTC()
	account := fmt.Sprintf("user%d", binary.BigEndian.Uint32(unique[:])%uint32(l.accounts))
	return enroll.Enrollment{
		Certificate: ca.Certificate{
			Issuer: "0123456789abcdef", Serial: serial, DER: l.der, Account: account, Profile: "user",
			Subject: "CN=" + account, KeyID: unique, NotBefore: now, NotAfter: now.AddDate(1, 0, 0), IssuedAt: now,
			Card: &ca.Card{Serial: uint32(n), Firmware: "5.7.1", Slot: "9a", PINPolicy: "once", TouchPolicy: "never", Attestation: [][]byte{l.der[:600], l.der[:700]}},
		},
		CSR: unique, Nonce: unique, NonceExpires: now.Add(15 * time.Minute),
		Event: audit.Event{Time: now, Actor: account, Action: "certificate.issue", Object: serial.String()},
	}, nil
}

// run enrolls n times from that many goroutines.
func (l *load) run(ctx context.Context, writers, n int, each func(ca.Serial)) error {
	var left atomic.Int64
	left.Store(int64(n))
	failed := make(chan error, writers)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				e, err := l.enrollment(ctx)
				if err == nil {
					_, _, err = l.store.RecordEnrollment(ctx, e)
				}
				if err != nil {
					failed <- err
					return
				}
				if each != nil {
					each(e.Certificate.Serial)
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

func openIn(t testing.TB, dir string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(dir, "signet.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func BenchmarkRecordEnrollment(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			l := newLoad(b, openIn(b, b.TempDir()))
			b.ResetTimer()
			if err := l.run(b.Context(), writers, b.N, nil); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "enrollments/s")
		})
	}
}
