package enroll_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"signet/enroll"
)

func newEscrowKey(t testing.TB) *enroll.EscrowKey {
	t.Helper()
	return must(enroll.NewEscrowKey(must(ecdh.X25519().GenerateKey(rand.Reader))))
}

func TestASealedPUKOpensForItsCardAndKeyAlone(t *testing.T) {
	key := newEscrowKey(t)
	public := must(enroll.ParseEscrowPublic(key.Public().Bytes()))
	sealed := must(public.Seal(1001, "abcdefgh"))
	if puk, err := key.Open(1001, sealed); err != nil || puk != "abcdefgh" {
		t.Fatalf("%q, %v", puk, err)
	}
	if _, err := key.Open(1002, sealed); !errors.Is(err, enroll.ErrSealed) {
		t.Errorf("another card's: %v", err)
	}
	if _, err := newEscrowKey(t).Open(1001, sealed); !errors.Is(err, enroll.ErrEscrowKey) {
		t.Errorf("another key's: %v", err)
	}
	if again := must(public.Seal(1001, "abcdefgh")); bytes.Equal(again, sealed) || again.ID() == sealed.ID() {
		t.Error("two sealings are the same: who reads the store would know equal PUKs")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := key.Open(1001, enroll.SealedPUK(bad)); err == nil {
			t.Fatalf("byte %d was changed, and it opened", i)
		}
	}
	for _, puk := range []string{"", "1234567", "123456789"} {
		if _, err := public.Seal(1001, puk); err == nil {
			t.Errorf("%q was sealed", puk)
		}
	}
}

func TestAKeyOfAnotherKindIsNoEscrowKey(t *testing.T) {
	if _, err := enroll.NewEscrowKey(must(ecdh.P256().GenerateKey(rand.Reader))); err == nil {
		t.Error("P-256 was taken")
	}
	for _, p := range [][]byte{nil, make([]byte, 31), make([]byte, 33)} {
		if _, err := enroll.ParseEscrowPublic(p); err == nil {
			t.Errorf("%d bytes were taken for a key", len(p))
		}
	}
	// The point of order 1, with which every secret would be zero (RFC 7748, Section 6.1).
	if zero, err := enroll.ParseEscrowPublic(make([]byte, 32)); err == nil {
		if _, err := zero.Seal(1, "abcdefgh"); err == nil {
			t.Error("sealed to a key that anyone has")
		}
	}
}

// Every character is as likely: over 32,000 draws of one, each comes 1,000 times,
// give or take 6 standard deviations.
func TestPUKsAreDrawnEvenly(t *testing.T) {
	count := map[rune]int{}
	for range 4000 {
		puk := enroll.NewPUK()
		if len(puk) != 8 || strings.ContainsAny(puk, "il01 ") {
			t.Fatalf("%q", puk)
		}
		for _, r := range puk {
			count[r]++
		}
	}
	if len(count) != 32 {
		t.Errorf("%d characters", len(count))
	}
	for r, n := range count {
		if n < 1000-190 || n > 1000+190 {
			t.Errorf("%c came %d times", r, n)
		}
	}
}

// FuzzSealedPUK: whatever a client uploads, parsing and opening it ends, and
// nothing opens but what was sealed.
func FuzzSealedPUK(f *testing.F) {
	key := newEscrowKey(f)
	good := must(key.Public().Seal(1001, "abcdefgh"))
	f.Add([]byte(good), uint32(1001))
	f.Add([]byte(good[:64]), uint32(1001))
	f.Add(append([]byte{2}, good[1:]...), uint32(1001))
	f.Add([]byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, p []byte, card uint32) {
		sealed, err := enroll.ParseSealedPUK(p)
		if err == nil && len(sealed.ID()) != 32 {
			t.Errorf("ID %q", sealed.ID())
		}
		puk, err := key.Open(card, enroll.SealedPUK(p))
		if err == nil && (card != 1001 || !bytes.Equal(p, good) || puk != "abcdefgh") {
			t.Errorf("%x opened as %q for card %d", p, puk, card)
		}
	})
}
