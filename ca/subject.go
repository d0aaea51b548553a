package ca

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

// A subjectTemplate is an RFC 4514 name whose values are templates. The name's
// structure is read before any value is filled in, so that nothing in an
// account can add an RDN or end one: "x,O=Other" is a value, commas and all.
type subjectTemplate [][]valueTemplate

type valueTemplate struct {
	*attributeType
	value *template.Template
}

// parseSubject reads s. The order is RFC 4514's: the last RDN written is the
// first in the certificate.
func parseSubject(s string) (subjectTemplate, error) {
	if strings.TrimSpace(s) == "" {
		return nil, fmt.Errorf(`a subject is needed, such as "CN={{.FullName}}"`)
	}
	var out subjectTemplate
	for _, rdn := range splitOutside(s, ',') {
		var values []valueTemplate
		for _, part := range splitOutside(rdn, '+') {
			v, err := parseValueTemplate(part)
			if err != nil {
				return nil, fmt.Errorf("subject %q: %w", s, err)
			}
			values = append(values, v)
		}
		out = append(out, values)
	}
	slices.Reverse(out)
	return out, nil
}

// splitOutside splits s at each sep that is neither escaped nor in a {{…}}.
func splitOutside(s string, sep byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.HasPrefix(s[i:], "{{"):
			i += actionLen(s[i:]) - 1
		case s[i] == sep:
			parts, start = append(parts, s[start:i]), i+1
		}
	}
	return append(parts, s[start:])
}

// actionLen is the length of the {{…}} that s begins with; all of s where it
// doesn't end.
func actionLen(s string) int {
	if end := strings.Index(s, "}}"); end >= 0 {
		return end + len("}}")
	}
	return len(s)
}

func parseValueTemplate(part string) (valueTemplate, error) {
	key, text, ok := strings.Cut(part, "=")
	if !ok {
		return valueTemplate{}, fmt.Errorf("%q is not TYPE=VALUE", part)
	}
	typ := attributeTypeOf(strings.TrimSpace(key))
	if typ == nil {
		return valueTemplate{}, fmt.Errorf("%q is no attribute type that can be used here; known are %s", key, knownAttributes())
	}
	text, err := unescape(strings.TrimSpace(text))
	if err != nil {
		return valueTemplate{}, err
	}
	t, err := template.New(typ.name).Parse(text)
	if err != nil {
		return valueTemplate{}, err
	}
	return valueTemplate{typ, t}, nil
}

func knownAttributes() string {
	var names []string
	for _, t := range attributeTypes {
		names = append(names, t.name)
	}
	return strings.Join(names, ", ")
}

// unescape undoes RFC 4514, Section 2.4 outside of {{…}}.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "{{"):
			n := actionLen(s[i:])
			b.WriteString(s[i : i+n])
			i += n - 1
		case c == '\\':
			char, n, err := unescapeOne(s[i+1:])
			if err != nil {
				return "", err
			}
			b.WriteByte(char)
			i += n
		case strings.IndexByte(`"<>;`, c) >= 0, c == '#' && i == 0:
			return "", fmt.Errorf(`%q must be written with a backslash before it: \%c`, c, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// unescapeOne reads what follows a backslash: a special character, or two hex
// digits. It returns how many bytes it took.
func unescapeOne(s string) (char byte, n int, err error) {
	if s != "" && strings.IndexByte(`\ "#+,;<=>`, s[0]) >= 0 {
		return s[0], 1, nil
	}
	if len(s) >= 2 {
		if v, err := hex.DecodeString(s[:2]); err == nil {
			return v[0], 2, nil
		}
	}
	return 0, 0, fmt.Errorf("a backslash must be followed by a special character or two hexadecimal digits")
}

// fill puts p into each value. The error is a [*NameError] where p lacks
// something.
func (t subjectTemplate) fill(p Person) (name, error) {
	out := make(name, 0, len(t))
	for _, rdn := range t {
		values := make([]attribute, 0, len(rdn))
		for _, v := range rdn {
			var b strings.Builder
			if err := v.value.Execute(&b, p); err != nil {
				return nil, fmt.Errorf("filling the subject's %s: %w", v.name, err)
			}
			values = append(values, attribute{v.attributeType, strings.TrimSpace(b.String())})
		}
		out = append(out, values)
	}
	return out, nil
}
