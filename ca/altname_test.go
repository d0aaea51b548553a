package ca

import (
	"encoding/hex"
	"slices"
	"testing"
)

// As go.step.sm/crypto/x509util encodes the same names.
func TestAltNamesEncoded(t *testing.T) {
	for name, want := range map[altName]string{
		{"email", "alice@example.com"}: "30138111616c696365406578616d706c652e636f6d",
		{"upn", "alicé@corp.example"}:  "3025a023060a2b060104018237140203a0150c13616c6963c3a940636f72702e6578616d706c65",
		{"dns", "ca.example"}:          "300c820a63612e6578616d706c65",
		{"ip", "192.0.2.1"}:            "30068704c0000201",
		{"ip", "2001:db8::1"}:          "3012871020010db8000000000000000000000001",
	} {
		got := marshalAltNames([]altName{name})
		if hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, want %s", name, got, want)
		}
		if read, err := parseAltNames(got); err != nil || !slices.Equal(read, []string{name.String()}) {
			t.Errorf("%s: read back as %q, %v", name, read, err)
		}
	}
}
