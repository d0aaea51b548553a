package storetest

import (
	"sync"
	"testing"

	"signet/ca"
)

func testSecrets(t *testing.T, f *fixture) {
	var mu sync.Mutex
	seen := map[[32]byte]bool{}
	for _, err := range together(16, func(int) error {
		s, err := f.Secret(f.ctx, "nonces")
		mu.Lock()
		seen[s] = true
		mu.Unlock()
		return err
	}) {
		must(t, err)
	}
	other, err := f.Secret(f.ctx, "other")
	must(t, err)
	if len(seen) != 1 || seen[other] || seen[[32]byte{}] {
		t.Errorf("one name gave %d secrets; another name the same one: %v; zero: %v", len(seen), seen[other], seen[[32]byte{}])
	}
}

func testSerials(t *testing.T, f *fixture) {
	var mu sync.Mutex
	blocks := map[uint32]bool{}
	for _, err := range together(32, func(int) error {
		b, err := f.ReserveSerialBlock(f.ctx)
		mu.Lock()
		blocks[b] = true
		mu.Unlock()
		return err
	}) {
		must(t, err)
	}
	equal(t, len(blocks), 32)

	a, b := ca.NewSerialSource(f), ca.NewSerialSource(f)
	serials := map[ca.Serial]bool{}
	for range 100 {
		for _, source := range []*ca.SerialSource{a, b} {
			s, err := source.Next(f.ctx)
			must(t, err)
			serials[s] = true
		}
	}
	equal(t, len(serials), 200)
}
