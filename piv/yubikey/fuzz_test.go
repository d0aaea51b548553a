//go:build cgo

package yubikey

import (
	"bytes"
	"testing"
)

// What stands on a card may have been written by anyone.
func FuzzObjects(f *testing.F) {
	packed, err := certificateValue(bytes.Repeat([]byte("certificate"), 400), true)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{
		nil, {0x70}, {0x70, 0x84, 0, 0, 0, 1, 0}, {0x70, 0x82, 0, 1, 5, 0x71, 0, 0xfe, 0}, packed, newCHUID(), newCCC(),
		admin{}.keeping().bytes(), element(tagKept, element(tagKeptKey, make([]byte, 24))),
		{0x80, 0x0a, 0x81, 0x01, 0x01, 0x82, 0x00, 0x83, 0x04, 1, 2, 3},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, err := parseFields(b); err == nil {
			again, err := parseFields(all.bytes())
			if err != nil || len(again) != len(all) {
				t.Errorf("% x read as %v, written and read again as %v (%v)", b, all, again, err)
			}
		}
		if der, err := parseCertificate(b); err == nil && len(der) > max(len(b), maxCertificate) {
			t.Errorf("% x unpacks to %d bytes", b, len(der))
		}
		_, _ = guid(b), parseKept(b)
		if a := parseAdmin(parseAdmin(b).keeping().bytes()); len(b) < 1<<15 && !a.protected() {
			t.Errorf("% x doesn't say that the key is kept", b)
		}
	})
}
