//go:build cgo || windows

package yubikey

import (
	"encoding/hex"
	"testing"
)

func TestHistory(t *testing.T) {
	for _, c := range []struct {
		name, now string
		onCard    int
		want      string
	}{
		{"none yet", "", 2, "c10102c20100fe00"},
		{"fewer", "c10101c20100fe00", 3, "c10103c20100fe00"},
		{"as many", "c10103c20100fe00", 3, "c10103c20100fe00"},
		{"more", "c10114c20100fe00", 1, "c10114c20100fe00"},
		{"others elsewhere", "c10101c20102f303616263fe00", 2, "c10102c20102f303616263fe00"},
		{"too many elsewhere", "c10101c20113f303616263fe00", 2, "c10102c20100fe00"},
		{"only elsewhere", "c20102f303616263fe00", 1, "c10101c20102f303616263fe00"},
		{"not of one byte", "c10200c201fe00", 1, "c10101c20100fe00"},
	} {
		b, err := hex.DecodeString(c.now)
		if err != nil {
			t.Fatal(err)
		}
		now, _ := parseFields(b)
		if next, _ := history(now, c.onCard); hex.EncodeToString(next.bytes()) != c.want {
			t.Errorf("%s: %x, want %s", c.name, next.bytes(), c.want)
		}
	}
}
