package crl_test

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"io"
	"testing"
	"testing/iotest"

	"signet/revocation/crl"
)

func TestPEMIsThatOfTheStandardLibrary(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 47, 48, 49, 95, 96, 97, 48 * 512, 48*512 + 1, 100_000} {
		der := make([]byte, n)
		_, _ = rand.Read(der)
		want := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
		p := crl.NewPEM(bytes.NewReader(der), int64(n))
		if p.Size() != int64(len(want)) {
			t.Fatalf("%d octets: a size of %d, not %d", n, p.Size(), len(want))
		}
		if err := iotest.TestReader(io.NewSectionReader(p, 0, p.Size()), want); err != nil && n < 10_000 {
			t.Errorf("%d octets: %v", n, err)
		}
		got, err := io.ReadAll(io.NewSectionReader(p, 0, p.Size()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d octets: another text, %v", n, err)
		}
		for _, off := range []int64{0, 5, 24, 25, 26, 60, 89, 90, 91, int64(len(want)) - 30, int64(len(want)) - 1} {
			if off < 0 || off >= int64(len(want)) {
				continue
			}
			for _, length := range []int{1, 64, 65, 66, 200} {
				b := make([]byte, length)
				got, err := p.ReadAt(b, off)
				if end := min(off+int64(length), int64(len(want))); !bytes.Equal(b[:got], want[off:end]) || (err == nil) != (got == length) {
					t.Errorf("%d octets, %d from %d on: %q, %v", n, length, off, b[:got], err)
				}
			}
		}
	}
}
