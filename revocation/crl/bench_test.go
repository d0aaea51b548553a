package crl_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

func BenchmarkCreate(b *testing.B) {
	const entries = 100_000
	issuer := authorityOf(b, "P-256").Issuer
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
	der, err := crl.Create(authorityOf(b, "P-256").Issuer, crl.Template{
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

// BenchmarkWrite makes a list of a million entries in a file, beside hashing the
// same octets and nothing else.
func BenchmarkWrite(b *testing.B) {
	const n = 1_000_000
	now := time.Now()
	entries := uniform(b, n, now)
	source := inPieces(entries, n, 1200)
	for _, algorithm := range []string{"P-256", "RSA-2048", "P-384"} {
		issuer := authorityOf(b, algorithm).Issuer
		f, err := os.Create(filepath.Join(b.TempDir(), "crl"))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(algorithm, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(entries)))
			for b.Loop() {
				if err := f.Truncate(0); err != nil {
					b.Fatal(err)
				}
				if _, err := crl.Write(f, issuer, crl.Head{Number: 1, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, source); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("SHA-256 alone", func(b *testing.B) {
		b.SetBytes(int64(len(entries)))
		for b.Loop() {
			sha256.Sum256(entries)
		}
	})
}
