package dn

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestString(t *testing.T) {
	uid := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	for value, want := range map[string]string{
		"alice":     "CN=Alice,UID=alice",
		"a,b":       `CN=Alice,UID=a\,b`,
		"#a":        `CN=Alice,UID=\#a`,
		"a\x1b[31m": "CN=Alice,UID=a�[31m",
	} {
		seq := pkix.RDNSequence{
			{{Type: uid, Value: value}},
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Alice"}},
		}
		var name pkix.Name
		name.FillFromRDNSequence(&seq)
		if got := String(name); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
	other := pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: "x"}}}
	if got := String(other); got != "1.2.3=#130178" {
		t.Errorf("an unknown attribute: %s", got)
	}
}
