package ca_test

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"

	"signet/ca"
)

// blocks is a SerialStore in memory.
type blocks struct{ last atomic.Uint32 }

func (b *blocks) ReserveSerialBlock(context.Context) (uint32, error) { return b.last.Add(1), nil }

func TestSerialsAreUnique(t *testing.T) {
	source := ca.NewSerialSource(new(blocks))
	var mu sync.Mutex
	seen := map[ca.Serial]bool{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 500 {
				s, err := source.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if seen[s] || s[0] == 0 || s[0] > 0x7f {
					t.Errorf("serial %s", s)
				}
				seen[s] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

func TestSerialText(t *testing.T) {
	s, err := ca.NewSerialSource(new(blocks)).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ca.ParseSerial(s.String()); back != s || err != nil {
		t.Errorf("ParseSerial: %s, %v", back, err)
	}
	if back, ok := ca.SerialOf(s.Big()); back != s || !ok {
		t.Errorf("SerialOf: %s, %v", back, ok)
	}
	for _, bad := range []string{"", "01", s.String() + "00", "zz" + s.String()[2:], "80" + s.String()[2:], "00" + s.String()[2:]} {
		if _, err := ca.ParseSerial(bad); !errors.Is(err, ca.ErrBadSerial) {
			t.Errorf("ParseSerial(%q): %v", bad, err)
		}
	}
	for _, bad := range []*big.Int{nil, big.NewInt(0), big.NewInt(-1), big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 160)} {
		if _, ok := ca.SerialOf(bad); ok {
			t.Errorf("SerialOf(%v): accepted", bad)
		}
	}
}

// broken is a store that reserves nothing.
type broken struct{}

func (broken) ReserveSerialBlock(context.Context) (uint32, error) {
	return 0, errors.New("disk full")
}

func TestNoSerialWithoutReservation(t *testing.T) {
	if s, err := ca.NewSerialSource(broken{}).Next(t.Context()); err == nil || s != (ca.Serial{}) {
		t.Errorf("Next: %s, %v", s, err)
	}
}

func TestReasons(t *testing.T) {
	for _, name := range ca.Reasons() {
		r, err := ca.ParseReason(name)
		if err != nil || r.String() != name {
			t.Errorf("%s: %v, %v", name, r, err)
		}
		var back ca.Reason
		text, _ := r.MarshalText()
		if err := back.UnmarshalText(text); err != nil || back != r {
			t.Errorf("%s: back as %v, %v", name, back, err)
		}
	}
	for _, bad := range []string{"", "KeyCompromise", "removeFromCRL", "aACompromise"} {
		if _, err := ca.ParseReason(bad); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}
