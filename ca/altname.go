package ca

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/net/idna"
)

// An altName is one subject alternative name.
type altName struct {
	kind  string // "email", "upn", "dns", "ip"
	value string
}

// String is how names are written to people: "email:alice@example.com".
func (n altName) String() string { return n.kind + ":" + n.value }

var (
	oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}
	// szOID_NT_PRINCIPAL_NAME: the name that a Windows logon goes by.
	oidUPN = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

// marshalAltNames makes the value of a subjectAltName extension (RFC 5280,
// Section 4.2.1.6).
func marshalAltNames(names []altName) []byte {
	all := make([][]byte, 0, len(names))
	for _, n := range names {
		all = append(all, n.general())
	}
	return der(casn1.SEQUENCE, all...)
}

// general is n as a GeneralName. Its value is one that the functions below have let pass.
func (n altName) general() []byte {
	switch n.kind {
	case "email":
		return der(implicit(1), []byte(n.value))
	case "dns":
		return der(implicit(2), []byte(n.value))
	case "ip":
		ip := net.ParseIP(n.value)
		if v4 := ip.To4(); v4 != nil {
			ip = v4
		}
		return der(implicit(7), ip)
	default: // "upn", an OtherName
		return der(explicit(0), derOID(oidUPN), der(explicit(0), der(casn1.UTF8String, []byte(n.value))))
	}
}

// parseAltNames reads the value of a subjectAltName extension into what
// altName.String writes. Kinds that Signet never issues come as "[tag]:hex",
// so that they can be compared and shown.
func parseAltNames(der []byte) ([]string, error) {
	input := cryptobyte.String(der)
	var sequence cryptobyte.String
	if !input.ReadASN1(&sequence, casn1.SEQUENCE) || !input.Empty() {
		return nil, errors.New("malformed subject alternative names")
	}
	var out []string
	for !sequence.Empty() {
		var value cryptobyte.String
		var tag casn1.Tag
		if !sequence.ReadAnyASN1(&value, &tag) {
			return nil, errors.New("malformed subject alternative name")
		}
		out = append(out, altNameString(tag, value))
	}
	return out, nil
}

func altNameString(tag casn1.Tag, value cryptobyte.String) string {
	switch tag {
	case casn1.Tag(0).ContextSpecific().Constructed():
		if upn, ok := readUPN(value); ok {
			return "upn:" + upn
		}
	case casn1.Tag(1).ContextSpecific():
		return "email:" + string(value)
	case casn1.Tag(2).ContextSpecific():
		return "dns:" + string(value)
	case casn1.Tag(6).ContextSpecific():
		return "uri:" + string(value)
	case casn1.Tag(7).ContextSpecific():
		return "ip:" + net.IP(value).String()
	}
	return fmt.Sprintf("[%d]:%x", tag&0x1f, []byte(value))
}

// UPN is the Windows user principal name among a certificate's alternative
// names; "" where there is none.
func UPN(cert *x509.Certificate) string {
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(oidSAN) {
			continue
		}
		names, _ := parseAltNames(ext.Value) // up to what is malformed
		for _, n := range names {
			if upn, ok := strings.CutPrefix(n, "upn:"); ok {
				return upn
			}
		}
	}
	return ""
}

// readUPN reads OtherName { type-id UPN, value [0] EXPLICIT UTF8String }.
func readUPN(other cryptobyte.String) (string, bool) {
	var oid asn1.ObjectIdentifier
	var explicit, upn cryptobyte.String
	ok := other.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidUPN) &&
		other.ReadASN1(&explicit, casn1.Tag(0).ContextSpecific().Constructed()) && other.Empty() &&
		explicit.ReadASN1(&upn, casn1.UTF8String) && explicit.Empty()
	return string(upn), ok
}

// emailName checks an address for an rfc822Name: RFC 5280, Section 4.2.1.6, a
// bare addr-spec in ASCII.
func emailName(address string) (altName, error) {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || !isASCII(address) || !isPlainText(address) || len(address) > 254 {
		return altName{}, &NameError{"name.email", fmt.Sprintf("%q is no e-mail address that can stand in a certificate", address)}
	}
	return altName{"email", address}, nil
}

// upnName makes a Windows user principal name of an account's name.
func upnName(account, domain string) (altName, error) {
	upn := account + "@" + domain
	if account == "" || strings.ContainsAny(account, `@\/ `) || !isPlainText(upn) || len(upn) > 1024 {
		return altName{}, &NameError{"name.upn", fmt.Sprintf("the account's name %q can't be the first half of a UPN", account)}
	}
	return altName{"upn", upn}, nil
}

// hostName makes a name of a TLS server's host: an IP address or a DNS name.
func hostName(host string) (altName, error) {
	if ip := net.ParseIP(host); ip != nil {
		return altName{"ip", ip.String()}, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || !isDNSName(ascii) {
		return altName{}, &NameError{"name.host", fmt.Sprintf("%q is neither a DNS name nor an IP address", host)}
	}
	return altName{"dns", ascii}, nil
}

// isDNSName holds s to RFC 1034, Section 3.5: no wildcard, which no server of
// ours needs.
func isDNSName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		bad := strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		})
		if bad || label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func altNameStrings(names []altName) []string {
	var out []string
	for _, n := range names {
		out = append(out, n.String())
	}
	return out
}
