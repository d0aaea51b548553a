// Package dn writes distinguished names for people.
package dn

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode"
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

// String is the DER of a Name (x509.Certificate.RawSubject) as RFC 4514 has it, in
// the order of its Section 2.1, where pkix leaves the kinds of attribute that it
// doesn't know in numbers and hex.
func String(raw []byte) string {
	var seq pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &seq); err != nil || len(rest) > 0 {
		return "#" + hex.EncodeToString(raw)
	}
	text := unknown.ReplaceAllStringFunc(seq.String(), func(s string) string {
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
	// Any certificate may be on a card: its name must not drive the terminal.
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// escape as in RFC 4514, Section 2.4.
func escape(value string) string {
	out := make([]rune, 0, len(value))
	for i, r := range value {
		switch {
		case r == ',' || r == '+' || r == '"' || r == '\\' || r == '<' || r == '>' || r == ';',
			r == '#' && i == 0, r == ' ' && (i == 0 || i == len(value)-1):
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
