package enroll

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"signet/ca"
)

// person is what of the account goes into a certificate.
func (a *Account) person() ca.Person {
	return ca.Person{Name: a.Name, FullName: a.FullName, Email: a.Email}
}

// validName reports whether s has the form of an account's name.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}

func checkName(s string) error {
	if !validName(s) {
		return fmt.Errorf("%.70q is no account name: 1 to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or digit", s)
	}
	return nil
}

// checkFullName keeps out what can't stand in a subject, or would read as
// something else there: control characters, line breaks, marks that turn the
// direction of writing.
func checkFullName(s string) error {
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("a full name has printable characters and spaces alone")
	case s == "" || strings.TrimSpace(s) != s:
		return errors.New("a full name neither is empty nor begins or ends with a space")
	case utf8.RuneCountInString(s) > 64: // RFC 5280, Appendix A.1: ub-common-name
		return errors.New("a full name has at most 64 characters")
	}
	return nil
}

// checkEmail takes an address that can be an rfc822Name (RFC 5280, Section
// 4.2.1.6): ASCII, an unquoted local part, a host name. RFC 9598's
// international addresses need another name form, which few programs read.
func checkEmail(s string) error {
	bad := fmt.Errorf("%.300q is no e-mail address that fits into a certificate", s)
	if len(s) > 254 { // RFC 5321, Section 4.5.3.1.3, less the angle brackets
		return bad
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte("\"(),:;<>[\\]", s[i]) >= 0 {
			return bad
		}
	}
	address, err := mail.ParseAddress(s)
	if err != nil || address.Address != s || address.Name != "" {
		return bad
	}
	at := strings.LastIndexByte(s, '@')
	if at > 64 || !hostName(s[at+1:]) {
		return bad
	}
	return nil
}

// hostName reports whether s is a DNS name: labels of letters, digits and
// hyphens (RFC 1123, Section 2.1).
func hostName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i] | 0x20
			if !('a' <= c && c <= 'z' || '0' <= label[i] && label[i] <= '9' || label[i] == '-') {
				return false
			}
		}
	}
	return true
}

// Roles are all roles there are.
func Roles() []Role { return []Role{RoleUser, RoleOfficer, RoleAdmin, RoleAuditor} }

func checkRoles(roles []Role) error {
	for i, r := range roles {
		if !slices.Contains(Roles(), r) {
			return fmt.Errorf("%.30q is no role: %v", r, Roles())
		}
		if slices.Contains(roles[:i], r) {
			return fmt.Errorf("the role %s is named twice", r)
		}
	}
	return nil
}
