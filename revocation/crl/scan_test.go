package crl_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/crl"
)

// TestScan: what is read piece by piece is what is read whole, and every octet counts.
func TestScan(t *testing.T) {
	h := catest.New(t)
	for _, n := range []int{0, 1, 20_000} {
		der, err := crl.Create(h.Issuer, crl.Template{
			Number: 7, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
			Entries: func(yield func(crl.Entry) bool) error {
				for i := range n {
					serial := ca.Serial{1, byte(i >> 16), byte(i >> 8), byte(i)}
					if !yield(crl.Entry{Serial: serial, At: time.Now(), Reason: ca.Superseded}) {
						break
					}
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		whole, err := crl.Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		want := slices.Collect(whole.All())
		s, err := crl.Scan(bytes.NewReader(der), int64(len(der)), func(r crl.Revoked) error {
			if !bytes.Equal(r.Serial, want[seen].Serial) || r.Reason != want[seen].Reason || !r.At.Equal(want[seen].At) {
				t.Fatalf("entry %d: %+v, not %+v", seen, r, want[seen])
			}
			seen++
			return nil
		})
		if err != nil || s.Entries != n || seen != n || s.Number.Cmp(whole.Number) != 0 || !s.NextUpdate.Equal(whole.NextUpdate) {
			t.Fatalf("%d entries: %+v, %v", n, s, err)
		}
		if err := s.CheckSignature(h.Issuer.Certificate()); err != nil {
			t.Error(err)
		}
		if err := s.CheckSignature(catest.New(t).Issuer.Certificate()); !errors.Is(err, crl.ErrSignature) {
			t.Errorf("by another's certificate: %v", err)
		}
		for at := range 200 {
			bad := bytes.Clone(der)
			bad[len(der)*at/200] ^= 1
			s, err := scan(bad)
			if err == nil && s.CheckSignature(h.Issuer.Certificate()) == nil {
				t.Errorf("octet %d is changed, and the signature verifies", len(der)*at/200)
			}
			if _, err := scan(der[:len(der)*at/200]); err == nil {
				t.Error("one that is cut off is read")
			}
		}
	}
}

func scan(der []byte) (*crl.Scanned, error) {
	return crl.Scan(bytes.NewReader(der), int64(len(der)), func(crl.Revoked) error { return nil })
}

// FuzzScan: what Scan takes, Parse takes too, with the same in it.
func FuzzScan(f *testing.F) {
	f.Add(made(f, with()))
	f.Add(made(f, withReason(1)))
	f.Add(made(f, with(extension(27, []byte{2, 1, 100}), extension(28, idp(point)))))
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := scan(der)
		if err != nil {
			return
		}
		l, err := crl.Parse(der)
		if err != nil {
			t.Fatalf("Parse refuses it: %v", err)
		}
		if l.Entries != s.Entries || l.Number.Cmp(s.Number) != 0 || !bytes.Equal(l.RawIssuer, s.RawIssuer) || !bytes.Equal(l.Signature, s.Signature) {
			t.Errorf("%+v\nParse: %+v", s, l)
		}
	})
}
