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

// BenchmarkParse reads a list of a million entries and looks one up.
func BenchmarkParse(b *testing.B) {
	const entries = 1_000_000
	now := time.Now()
	last := ca.Serial{1}
	der, err := crl.Create(authorityOf(b, "P-256"), crl.Template{
		Number: 1, ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		Entries: func(yield func(crl.Entry) bool) error {
			for i := range entries {
				last = ca.Serial{1, byte(i >> 16), byte(i >> 8), byte(i)}
				if !yield(crl.Entry{Serial: last, At: now, Reason: ca.Reason(i % 2)}) {
					break
				}
			}
			return nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if list, err := crl.Parse(der); err != nil || list.Entries != entries {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse and find", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			list, err := crl.Parse(der)
			if err != nil {
				b.Fatal(err)
			}
			if _, ok := list.Find(last.Big()); !ok {
				b.Fatal("the last is not found")
			}
		}
	})
}
