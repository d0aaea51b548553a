package ca

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A NameError says why an account's data can't stand in a certificate.
type NameError struct {
	Rule   string // "name.empty", "name.length", "name.characters", "name.email", …
	Reason string // for people
}

func (e *NameError) Error() string { return e.Reason }

// An attributeType is a kind of name attribute that a subject may hold.
type attributeType struct {
	name string // as RFC 4514, Section 3 writes it
	oid  asn1.ObjectIdentifier
	form casn1.Tag // PrintableString and IA5String where no other is allowed
	max  int       // characters
}

// The upper bounds are those of RFC 5280, Appendix A.1; where it has none, or
// one too large to be shown, 256 and 64 are ours.
var attributeTypes = []attributeType{
	{"CN", asn1.ObjectIdentifier{2, 5, 4, 3}, 0, 64},
	{"O", asn1.ObjectIdentifier{2, 5, 4, 10}, 0, 64},
	{"OU", asn1.ObjectIdentifier{2, 5, 4, 11}, 0, 64},
	{"L", asn1.ObjectIdentifier{2, 5, 4, 7}, 0, 128},
	{"ST", asn1.ObjectIdentifier{2, 5, 4, 8}, 0, 128},
	{"STREET", asn1.ObjectIdentifier{2, 5, 4, 9}, 0, 128},
	{"C", asn1.ObjectIdentifier{2, 5, 4, 6}, casn1.PrintableString, 2},
	{"DC", asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, casn1.IA5String, 63},
	{"UID", asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, 0, 256},
	{"serialNumber", asn1.ObjectIdentifier{2, 5, 4, 5}, casn1.PrintableString, 64},
	{"givenName", asn1.ObjectIdentifier{2, 5, 4, 42}, 0, 64},
	{"SN", asn1.ObjectIdentifier{2, 5, 4, 4}, 0, 64},
	{"title", asn1.ObjectIdentifier{2, 5, 4, 12}, 0, 64},
	{"emailAddress", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, casn1.IA5String, 255},
}

// attributeTypeOf finds the type of that name, whatever its case; nil for none.
func attributeTypeOf(name string) *attributeType {
	for i := range attributeTypes {
		if strings.EqualFold(attributeTypes[i].name, name) {
			return &attributeTypes[i]
		}
	}
	return nil
}

// An attribute is one value in a name.
type attribute struct {
	*attributeType
	value string
}

// A name is a distinguished name in the order of its DER: the most significant
// RDN first, which RFC 4514 writes last.
type name [][]attribute

// marshal is the name's DER. It refuses values that RFC 5280 has no room or no
// string type for, with a [*NameError].
func (n name) marshal() ([]byte, error) {
	var all []byte
	for _, rdn := range n {
		set, err := marshalRDN(rdn)
		if err != nil {
			return nil, err
		}
		all = append(all, set...)
	}
	return der(casn1.SEQUENCE, all), nil
}

func marshalRDN(rdn []attribute) ([]byte, error) {
	set := make([][]byte, 0, len(rdn))
	for _, a := range rdn {
		value, err := a.encode()
		if err != nil {
			return nil, err
		}
		set = append(set, der(casn1.SEQUENCE, derOID(a.oid), value))
	}
	slices.SortFunc(set, bytes.Compare) // X.690, Section 11.6: a SET OF is in order
	return der(casn1.SET, set...), nil
}

// encode gives the value the string type that it must have: RFC 5280, Section
// 4.1.2.4, PrintableString or UTF8String but for the types that fix another.
func (a attribute) encode() ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	form := a.form
	if form == 0 {
		form = casn1.UTF8String
		if isPrintable(a.value) {
			form = casn1.PrintableString
		}
	}
	return der(form, []byte(a.value)), nil
}

func (a attribute) check() error {
	refuse := func(rule, format string, args ...any) error {
		return &NameError{rule, fmt.Sprintf("the subject's "+a.name+" "+format, args...)}
	}
	switch n := utf8.RuneCountInString(a.value); {
	case n == 0:
		return refuse("name.empty", "would be empty: the account lacks what the profile puts there")
	case n > a.max:
		return refuse("name.length", "has %d characters; %d are the most", n, a.max)
	case !isPlainText(a.value):
		return refuse("name.characters", "holds control characters or is not UTF-8")
	case a.form == casn1.PrintableString && !isPrintable(a.value):
		return refuse("name.characters", "may hold letters, digits and simple punctuation of ASCII only")
	case a.form == casn1.IA5String && !isASCII(a.value):
		return refuse("name.characters", "may hold ASCII only")
	case a.name == "C" && (n != 2 || strings.ToUpper(a.value) != a.value):
		return refuse("name.characters", "must be a country code of two capital letters")
	}
	return nil
}

// isPlainText refuses control characters, and those that turn the direction of
// writing and so show one name as another.
func isPlainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// isPrintable reports whether s fits a PrintableString (X.680, Section 41.4).
func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(" '()+,-./:=?", r)
	})
}

// nameString writes the DER of a name as RFC 4514 does, types that Signet
// doesn't know as dotted OIDs.
func nameString(der []byte) (string, error) {
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &rdns); err != nil || len(rest) > 0 {
		return "", errors.New("malformed distinguished name")
	}
	parts := make([]string, 0, len(rdns))
	for _, rdn := range slices.Backward(rdns) { // RFC 4514, Section 2.1: the last RDN first
		values := make([]string, 0, len(rdn))
		for _, a := range rdn {
			values = append(values, typeString(a.Type)+"="+escapeValue(fmt.Sprint(a.Value)))
		}
		parts = append(parts, strings.Join(values, "+"))
	}
	return strings.Join(parts, ","), nil
}

func typeString(oid asn1.ObjectIdentifier) string {
	for i := range attributeTypes {
		if attributeTypes[i].oid.Equal(oid) {
			return attributeTypes[i].name
		}
	}
	return oid.String()
}

// escapeValue is RFC 4514, Section 2.4.
func escapeValue(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == 0:
			b.WriteString(`\00`)
			continue
		case strings.ContainsRune(`,+"\<>;`, r),
			i == 0 && (r == ' ' || r == '#'),
			i == len(s)-1 && r == ' ':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
