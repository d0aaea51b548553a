package crl_test

import (
	"testing"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

func BenchmarkCreate(b *testing.B) {
	const entries = 100_000
	issuer := authorityOf(b, "P-256")
	now := time.Now()
	tmpl := crl.Template{
		Number: 1, ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		Entries: func(yield func(crl.Entry) bool) error {
			for i := range entries {
				serial := ca.Serial{1, byte(i >> 16), byte(i >> 8), byte(i)}
				if !yield(crl.Entry{Serial: serial, At: now, Reason: ca.KeyCompromise}) {
					break
				}
			}
			return nil
		},
	}
	b.ReportAllocs()
	for b.Loop() {
		der, err := crl.Create(issuer, tmpl)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(der)))
	}
}
