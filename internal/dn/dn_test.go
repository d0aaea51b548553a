package dn

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestString(t *testing.T) {
	uid := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	for value, want := range map[string]string{
		"alice":     "UID=alice,CN=Al�ice",
		"a,b":       `UID=a\,b,CN=Al�ice`,
		"#a":        `UID=\#a,CN=Al�ice`,
		"a\x1b[31m": "UID=a�[31m,CN=Al�ice",
	} {
		raw, err := asn1.Marshal(pkix.RDNSequence{
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Al\x1bice"}},
			{{Type: uid, Value: value}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := String(raw); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
	raw, err := asn1.Marshal(pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: "x"}}})
	if got := String(raw); err != nil || got != "1.2.3=#130178" {
		t.Errorf("an unknown attribute: %s, %v", got, err)
	}
	if got := String([]byte{1}); got != "#01" {
		t.Errorf("rubbish: %s", got)
	}
}
