// Package dn writes distinguished names for people.
package dn

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"regexp"
)

// keywords are those of RFC 4514, Section 3, that crypto/x509/pkix doesn't know.
var keywords = map[string]string{
	"0.9.2342.19200300.100.1.1":  "UID",
	"0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1":       "emailAddress",
	"2.5.4.4":                    "SN",
	"2.5.4.12":                   "title",
	"2.5.4.42":                   "givenName",
}

var unknown = regexp.MustCompile(`((?:\d+\.)+\d+)=#([0-9a-f]+)`)

// String is name as RFC 4514 has it, where pkix leaves the kinds of attribute that
// it doesn't know in numbers and hex.
func String(name pkix.Name) string {
	return unknown.ReplaceAllStringFunc(name.String(), func(s string) string {
		m := unknown.FindStringSubmatch(s)
		der, err := hex.DecodeString(m[2])
		if err != nil || keywords[m[1]] == "" {
			return s
		}
		var value string
		if rest, err := asn1.Unmarshal(der, &value); err != nil || len(rest) > 0 {
			return s
		}
		return keywords[m[1]] + "=" + escape(value)
	})
}

// escape as in RFC 4514, Section 2.4; control characters don't reach a terminal.
func escape(value string) string {
	out := make([]rune, 0, len(value))
	for i, r := range value {
		switch {
		case r < 0x20 || r == 0x7f:
			r = '�'
		case r == ',' || r == '+' || r == '"' || r == '\\' || r == '<' || r == '>' || r == ';',
			r == '#' && i == 0, r == ' ' && (i == 0 || i == len(value)-1):
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
