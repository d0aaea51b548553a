package crl

import (
	"fmt"
	"time"

	"signet/ca"
)

// An Entry is one revoked certificate, as a CA writes it.
type Entry struct {
	Serial ca.Serial
	At     time.Time // written in whole seconds
	Reason ca.Reason
}

// MaxEntry is how many octets one entry of ours has at most.
const MaxEntry = 2 + (2 + 20) + (2 + len("20500101000000Z")) + reasonLen

// reasonLen is the length of crlEntryExtensions with the one extension
// reasonCode, whose last octet is the reason (RFC 5280, Section 5.3.1).
const reasonLen = 14

var reasonPrefix = [reasonLen - 1]byte{
	0x30, 0x0c, 0x30, 0x0a, // SEQUENCE of one SEQUENCE
	0x06, 0x03, 0x55, 0x1d, 0x15, // id-ce-cRLReasons
	0x04, 0x03, 0x0a, 0x01, // OCTET STRING of an ENUMERATED
}

// AppendEntry appends the DER of one element of revokedCertificates to dst. It
// refuses what no complete CRL may hold: see [AppendRemoval].
func AppendEntry(dst []byte, e Entry) ([]byte, error) {
	if e.Reason == ca.RemoveFromCRL {
		// RFC 5280, Section 5.3.1: "may only appear in delta CRLs".
		return nil, fmt.Errorf("serial %s has reason removeFromCRL in a complete CRL", e.Serial)
	}
	return appendEntry(dst, e)
}

// AppendRemoval appends an entry that takes serial off the base CRL of a delta.
func AppendRemoval(dst []byte, serial ca.Serial, at time.Time) ([]byte, error) {
	return appendEntry(dst, Entry{serial, at, ca.RemoveFromCRL})
}

func appendEntry(dst []byte, e Entry) ([]byte, error) {
	switch {
	case e.At.IsZero():
		return nil, fmt.Errorf("serial %s has no revocation time", e.Serial)
	case e.Serial[0] == 0 || e.Serial[0] > 0x7f: // DER would be shorter, or negative
		return nil, fmt.Errorf("%w: %x", ca.ErrBadSerial, e.Serial[:])
	case !isReason(e.Reason):
		return nil, fmt.Errorf("serial %s has reason %d, which RFC 5280 does not know", e.Serial, e.Reason)
	}
	start := len(dst)
	dst = append(dst, tagSequence, 0, tagInteger, byte(len(e.Serial)))
	dst = append(dst, e.Serial[:]...)
	dst = appendTime(dst, e.At)
	// RFC 5280, Section 5.3.1: "the reason code CRL entry extension SHOULD
	// be absent instead of using the unspecified (0) reasonCode value".
	if e.Reason != ca.Unspecified {
		dst = append(dst, reasonPrefix[:]...)
		dst = append(dst, byte(e.Reason))
	}
	dst[start+1] = byte(len(dst) - start - 2) // MaxEntry is below 128
	return dst, nil
}

// isReason: 7 is not used.
func isReason(r ca.Reason) bool { return r >= 0 && r <= ca.AACompromise && r != 7 }

// appendTime appends a Time: UTCTime through 2049 (RFC 5280, Section 5.1.2.4).
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Year() >= 1950 && t.Year() < 2050 {
		return t.AppendFormat(append(dst, tagUTCTime, 13), "060102150405Z")
	}
	return t.AppendFormat(append(dst, tagGeneralizedTime, 15), "20060102150405Z")
}
