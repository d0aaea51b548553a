package crl

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"signet/ca"
)

var errEntry = errors.New("an entry is malformed")

// countEntries reads every entry, so that nothing can be wrong with one later.
func countEntries(entries []byte, delta bool) (int, error) {
	n := 0
	for len(entries) > 0 {
		r, rest, err := readEntry(entries)
		if err != nil {
			return 0, err
		}
		if r.Reason == ca.RemoveFromCRL && !delta { // RFC 5280, Section 5.3.1
			return 0, fmt.Errorf("serial %x has reason removeFromCRL, and the list is no delta", r.Serial)
		}
		entries = rest
		n++
	}
	return n, nil
}

// readEntry reads one element of revokedCertificates off b (RFC 5280, Section 5.1.2.6).
func readEntry(b []byte) (r Revoked, rest []byte, err error) {
	tag, entry, rest, ok := element(b)
	if !ok || tag != tagSequence {
		return r, nil, errEntry
	}
	if tag, r.Serial, entry, ok = element(entry); !ok || tag != tagInteger || !isInteger(r.Serial) {
		return r, nil, errEntry
	}
	tag, at, entry, ok := element(entry)
	if !ok {
		return r, nil, errEntry
	}
	if r.At, ok = readTime(tag, at); !ok {
		return r, nil, fmt.Errorf("serial %x has a revocation time that is none", r.Serial)
	}
	if len(entry) == reasonLen && bytes.Equal(entry[:len(reasonPrefix)], reasonPrefix[:]) { // as nearly all have
		r.Reason = ca.Reason(entry[reasonLen-1])
	} else if len(entry) > 0 {
		if r.Reason, err = readEntryExtensions(entry); err != nil {
			return r, nil, fmt.Errorf("serial %x: %w", r.Serial, err)
		}
	}
	if !isReason(r.Reason) {
		return r, nil, fmt.Errorf("serial %x has reason %d, which does not exist", r.Serial, r.Reason)
	}
	return r, rest, nil
}

// readEntryExtensions returns the reason that crlEntryExtensions hold (RFC 5280,
// Section 5.3).
func readEntryExtensions(b []byte) (reason ca.Reason, err error) {
	input := cryptobyte.String(b)
	var extensions, extension, id, value cryptobyte.String
	if !input.ReadASN1(&extensions, asn1.SEQUENCE) || !input.Empty() || extensions.Empty() {
		return 0, errEntry
	}
	var seen []string
	for !extensions.Empty() {
		critical := false
		if !extensions.ReadASN1(&extension, asn1.SEQUENCE) || !extension.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
			extension.PeekASN1Tag(asn1.BOOLEAN) && !extension.ReadASN1Boolean(&critical) ||
			!extension.ReadASN1(&value, asn1.OCTET_STRING) || !extension.Empty() {
			return 0, errEntry
		}
		if slices.Contains(seen, string(id)) {
			return 0, errEntry
		}
		seen = append(seen, string(id))
		switch {
		case bytes.Equal(id, reasonPrefix[6:9]):
			var n int
			if !value.ReadASN1Enum(&n) || !value.Empty() {
				return 0, errEntry
			}
			reason = ca.Reason(n)
		case critical:
			// RFC 5280, Section 5.3: "it MUST NOT use that CRL". CertificateIssuer, of an
			// indirect CRL, is one.
			return 0, fmt.Errorf("%w: its entry has a critical extension", ErrUnsupported)
		}
	}
	return reason, nil
}
