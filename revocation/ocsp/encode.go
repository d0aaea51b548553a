package ocsp

import (
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"

	"signet/ca"
)

// A response is written from its beginning to its end into one buffer, with the lengths
// computed beforehand: cryptobyte's builder, which finds them out afterwards, takes as
// long for it as the rest of an answer beside its signature.

// headerLen is how long the tag and the length of n octets are. An answer is
// far shorter than the 64 KiB that this goes up to.
func headerLen(n int) int {
	switch {
	case n < 0x80:
		return 2
	case n < 0x100:
		return 3
	}
	return 4
}

// wrapped is how long n octets are with tag and length.
func wrapped(n int) int { return headerLen(n) + n }

func appendHeader(b []byte, tag asn1.Tag, n int) []byte {
	switch headerLen(n) {
	case 2:
		return append(b, byte(tag), byte(n))
	case 3:
		return append(b, byte(tag), 0x81, byte(n))
	}
	return append(b, byte(tag), 0x82, byte(n>>8), byte(n))
}

// timeLen is the length of a GeneralizedTime with its header.
const timeLen = 2 + len("20060102150405Z")

// appendTime writes a GeneralizedTime in the form of RFC 5280, Section 4.1.2.5.2.
func appendTime(b []byte, t time.Time) []byte {
	year, month, day := t.UTC().Date()
	hour, minute, second := t.UTC().Clock()
	b = append(b, byte(asn1.GeneralizedTime), byte(timeLen-2))
	for _, v := range [...]int{year / 100, year % 100, int(month), day, hour, minute, second} {
		b = append(b, '0'+byte(v/10), '0'+byte(v%10))
	}
	return append(b, 'Z')
}

// appendData writes a ResponseData, the part that is signed (RFC 6960, Section 4.2.1).
func (s *Signing) appendData(b []byte, t *Template) []byte {
	singles := 0
	for i := range t.Singles {
		singles += wrapped(t.Singles[i].len())
	}
	b = appendHeader(b, asn1.SEQUENCE, len(s.responderID)+timeLen+wrapped(singles)+nonceLen(t.Nonce))
	b = appendTime(append(b, s.responderID...), t.ProducedAt)
	b = appendHeader(b, asn1.SEQUENCE, singles)
	for i := range t.Singles {
		b = t.Singles[i].append(b)
	}
	return appendNonce(b, t.Nonce)
}

// len is that of the content of a SingleResponse.
func (s *Single) len() int {
	return len(s.ID.Raw) + wrapped(s.statusLen()) + timeLen + wrapped(timeLen)
}

// statusLen is that of the content of a CertStatus.
func (s *Single) statusLen() int {
	switch {
	case s.Status != Revoked:
		return 0
	case s.Reason == ca.Unspecified:
		return timeLen
	}
	return timeLen + reasonLen
}

// reasonLen is the length of a reason in its explicit tag.
const reasonLen = 2 + 3

// append writes a SingleResponse.
func (s *Single) append(b []byte) []byte {
	b = append(appendHeader(b, asn1.SEQUENCE, s.len()), s.ID.Raw...)
	if s.Status == Revoked {
		b = appendTime(appendHeader(b, explicit(1), s.statusLen()), s.RevokedAt)
		if s.Reason != ca.Unspecified { // as in a CRL (RFC 5280, Section 5.3.1), unspecified is left out
			b = append(b, byte(explicit(0)), reasonLen-2, byte(asn1.ENUM), 1, byte(s.Reason))
		}
	} else {
		b = appendHeader(b, implicit(uint8(s.Status)), 0)
	}
	b = appendTime(b, s.ThisUpdate)
	return appendTime(appendHeader(b, explicit(0), timeLen), s.NextUpdate)
}

// nonceOID is oidNonce with its header.
const nonceOID = "\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x02"

// nonceLen is the length of appendNonce.
func nonceLen(nonce []byte) int {
	if nonce == nil {
		return 0
	}
	return wrapped(wrapped(wrapped(len(nonceOID) + wrapped(wrapped(len(nonce))))))
}

// appendNonce writes an Extensions with the nonce alone, in its tag.
func appendNonce(b, nonce []byte) []byte {
	if nonce == nil {
		return b
	}
	value := wrapped(len(nonce))
	extension := len(nonceOID) + wrapped(value)
	b = appendHeader(b, explicit(1), wrapped(wrapped(extension)))
	b = appendHeader(b, asn1.SEQUENCE, wrapped(extension))
	b = append(appendHeader(b, asn1.SEQUENCE, extension), nonceOID...)
	b = appendHeader(b, asn1.OCTET_STRING, value)
	return append(appendHeader(b, asn1.OCTET_STRING, len(nonce)), nonce...)
}

// basicOID is oidBasic with its header.
const basicOID = "\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01"

// appendResponse wraps a signed ResponseData into BasicOCSPResponse and OCSPResponse.
func (s *Signing) appendResponse(b, tbs, signature []byte) []byte {
	certificate := s.Certificate.Raw
	basic := len(tbs) + len(s.algorithmID) + wrapped(1+len(signature)) + wrapped(wrapped(len(certificate)))
	typed := len(basicOID) + wrapped(wrapped(basic))
	b = appendHeader(b, asn1.SEQUENCE, 3+wrapped(wrapped(typed)))
	b = append(b, byte(asn1.ENUM), 1, 0) // successful
	b = appendHeader(b, explicit(0), wrapped(typed))
	b = append(appendHeader(b, asn1.SEQUENCE, typed), basicOID...)
	b = appendHeader(b, asn1.OCTET_STRING, wrapped(basic))
	b = append(append(appendHeader(b, asn1.SEQUENCE, basic), tbs...), s.algorithmID...)
	b = append(append(appendHeader(b, asn1.BIT_STRING, 1+len(signature)), 0), signature...)
	b = appendHeader(b, explicit(0), wrapped(len(certificate)))
	return append(appendHeader(b, asn1.SEQUENCE, len(certificate)), certificate...)
}
