package enroll

import (
	"errors"
	"testing"
	"time"
)

func TestNonce(t *testing.T) {
	now := time.Now()
	m := &noncer{secret: [32]byte{1}, now: func() time.Time { return now }}
	n := m.make("alice")
	rule := func(err error) string {
		var r *RefusedError
		if errors.As(err, &r) {
			return r.Rule
		}
		return ""
	}
	if err := m.check(n, "alice"); err != nil {
		t.Fatal(err)
	}
	if got := rule(m.check(n, "bob")); got != "nonce.account" {
		t.Errorf("another's nonce: %q", got)
	}
	for i := range n {
		forged := append(Nonce(nil), n...)
		forged[i] ^= 0x80
		if got := rule(m.check(forged, "alice")); got != "nonce.account" {
			t.Fatalf("byte %d changed: %q", i, got)
		}
	}
	other := &noncer{secret: [32]byte{2}, now: m.now}
	if got := rule(other.check(n, "alice")); got != "nonce.account" {
		t.Errorf("another server's nonce: %q", got)
	}
	now = now.Add(nonceTTL + time.Second)
	if got := rule(m.check(n, "alice")); got != "nonce.expired" {
		t.Errorf("an old nonce: %q", got)
	}
	var back Nonce
	if err := back.UnmarshalText([]byte(n.String())); err != nil || back.String() != n.String() {
		t.Errorf("%s is read as %s: %v", n, back, err)
	}
}

func FuzzNonce(f *testing.F) {
	m := &noncer{now: time.Now}
	f.Add([]byte(m.make("alice").String()))
	f.Add([]byte("AAAA"))
	f.Add([]byte("===="))
	f.Add([]byte("\r"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var n Nonce
		if n.UnmarshalText(text) != nil {
			return
		}
		if n.String() != string(text) {
			t.Errorf("%q is read as %q", text, n)
		}
		if m.check(n, "mallory") == nil {
			t.Errorf("%q passes for another account's nonce", text)
		}
	})
}
