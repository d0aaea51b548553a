package bolt_test

import (
	"fmt"
	"testing"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
)

func BenchmarkRecordEnrollment(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			l, err := newLoad(b.Context(), openIn(b, b.TempDir()), 100)
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			if err := l.run(b.Context(), writers, b.N, nil); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "enrollments/s")
		})
	}
}

// A CRL of 100,000 entries, read.
func BenchmarkRevokedEntries(b *testing.B) {
	const entries = 100_000
	s := openIn(b, b.TempDir())
	l, err := newLoad(b.Context(), s, 100)
	if err != nil {
		b.Fatal(err)
	}
	err = l.run(b.Context(), 256, entries, func(serial ca.Serial) {
		r := ca.Revocation{At: time.Now(), Reason: ca.KeyCompromise, By: audit.Operator}
		if err := s.Revoke(b.Context(), "0123456789abcdef", serial, r, audit.Event{Action: "certificate.revoke"}); err != nil {
			b.Error(err)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		err := s.RevokedEntries(b.Context(), revocation.Scope{Issuer: "0123456789abcdef"},
			func(s revocation.Snapshot) error { n = s.Entries; return nil }, func([]byte) error { return nil })
		if err != nil || n != entries {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/entries, "ns/entry")
}
