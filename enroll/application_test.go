package enroll

import (
	"testing"

	"signet/ca"
)

// A card that hides its serial number is told by its own certificate.
func TestSameCard(t *testing.T) {
	of := func(serial uint32, f9 string) *ca.Card {
		return &ca.Card{Serial: serial, Attestation: [][]byte{[]byte("slot"), []byte(f9)}}
	}
	for _, test := range []struct {
		a, b *ca.Card
		want bool
	}{
		{of(1, "a"), of(1, "a"), true},
		{of(1, "a"), of(1, "b"), true}, // f9 was made anew
		{of(1, "a"), of(2, "a"), false},
		{of(0, "a"), of(0, "a"), true},
		{of(0, "a"), of(0, "b"), false},
		{of(0, "a"), of(1, "a"), false},
		{&ca.Card{}, &ca.Card{}, false},
		{nil, of(1, "a"), false},
		{nil, nil, false},
	} {
		if got := sameCard(test.a, test.b); got != test.want {
			t.Errorf("%+v and %+v: %t", test.a, test.b, got)
		}
	}
}
