package agent

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"signet/revocation/crl"
)

// A scan of what it takes finds what encoding/pem finds, and takes no more memory than
// it was given room for.
func FuzzScan(f *testing.F) {
	one := append([]byte{0x30, 0x82, 1, 0}, make([]byte, 256)...)
	block := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: one})
	two := append(block, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte{0x30, 1, 0}})...)
	for _, seed := range [][]byte{
		nil, one, one[:20], block, two, two[:len(two)-30], bytes.ReplaceAll(two, []byte("\n"), []byte("\r\n")),
		append([]byte("Certificate Revocation List (CRL):\n"), two...), []byte("<!DOCTYPE html>"),
		[]byte(beginCRL + "\nMAMBAgM=\nMAMB\n" + endCRL + "\n"), []byte(beginCRL + "\nMA\nEA\n" + endCRL),
		{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, {0x30, 0x80}, []byte(beginCRL + "\n" + beginCRL),
		[]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 4 << 10
		var got [][]byte
		err := scan(iotest.HalfReader(bytes.NewReader(data)), limit, func(der []byte) error {
			got = append(got, der)
			return nil
		})
		if err != nil {
			if !errors.Is(err, crl.ErrMalformed) && !errors.Is(err, ErrTooBig) {
				t.Fatalf("%v", err)
			}
			return
		}
		if len(data) > limit {
			t.Fatal("more than allowed")
		}
		if data[0] == 0x30 {
			if len(got) != 1 || !bytes.Equal(got[0], data) {
				t.Fatal("not the DER that there was")
			}
			return
		}
		// Of blanks around a line we take more than encoding/pem, and never less.
		for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
			i := slices.IndexFunc(got, func(der []byte) bool { return bytes.Equal(der, b.Bytes) })
			if i < 0 {
				t.Fatalf("encoding/pem finds %x", b.Bytes)
			}
			got = got[i+1:]
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: crl\ndata: {}\n\n:\n\nevent: crl\r\n\r\n"))
	f.Add([]byte("event:"))
	f.Add(bytes.Repeat([]byte("x"), maxEventLine+1))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		if err := readEvents(bytes.NewReader(data), func() { n++ }); err == nil {
			t.Error("it has no end")
		}
		if n > bytes.Count(data, []byte("crl")) {
			t.Errorf("%d events", n)
		}
	})
}

func TestScanBreaksOff(t *testing.T) {
	block := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: append([]byte{0x30, 0x82, 1, 0}, make([]byte, 256)...)})
	for name, r := range map[string]io.Reader{
		"in a block":      io.MultiReader(bytes.NewReader(block[:100]), iotest.ErrReader(io.ErrUnexpectedEOF)),
		"between blocks":  io.MultiReader(bytes.NewReader(block), iotest.ErrReader(io.ErrUnexpectedEOF)),
		"in DER":          io.MultiReader(strings.NewReader("0\x82\x01\x00abc"), iotest.ErrReader(io.ErrUnexpectedEOF)),
		"at once":         iotest.ErrReader(io.ErrUnexpectedEOF),
		"after the first": io.MultiReader(strings.NewReader("0"), iotest.ErrReader(io.ErrUnexpectedEOF)),
	} {
		err := scan(r, 1<<20, func([]byte) error { return nil })
		if !errors.As(err, new(*readError)) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
