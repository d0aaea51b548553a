package ca

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"

	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// tbs is the TBSCertificate of t (RFC 5280, Section 4.1), octet for octet as
// x509.CreateCertificate builds it, whose reflection takes many times as long.
// Nothing here is trusted: [Issuer.check] reads the result anew.
func (i *Issuer) tbs(t *terms) ([]byte, error) {
	algorithm, err := i.algorithm.Marshal()
	if err != nil {
		return nil, err
	}
	extensions, err := i.extensions(t)
	if err != nil {
		return nil, err
	}
	return der(casn1.SEQUENCE,
		der(explicit(0), derInteger(2)), // version 3
		der(casn1.INTEGER, t.serial[:]), // 20 octets that are positive
		algorithm,
		i.cert.RawSubject,
		der(casn1.SEQUENCE, derTime(t.notBefore), derTime(t.notAfter)),
		t.subject,
		t.spki,
		der(explicit(3), der(casn1.SEQUENCE, extensions...)),
	), nil
}

// extensions are those of t, critical where RFC 5280, Section 4.2.1 would have it so.
func (i *Issuer) extensions(t *terms) ([][]byte, error) {
	keyID, err := subjectKeyID(t.spki)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, 0, 8+len(t.extensions))
	add := func(oid asn1.ObjectIdentifier, critical bool, value []byte) {
		out = append(out, derExtension(oid, critical, value))
	}
	add(oidKeyUsage, true, t.derKeyUsage())
	if len(t.usages) > 0 {
		add(oidExtKeyUsage, false, t.derUsages())
	}
	add(oidBasicConstraints, true, t.derBasicConstraints())
	add(oidSubjectKeyID, false, der(casn1.OCTET_STRING, keyID))
	if !bytes.Equal(i.cert.RawSubject, t.subject) { // RFC 5280, Section 4.2.1.1: a root may leave it out
		add(oidAuthorityKeyID, false, der(casn1.SEQUENCE, der(implicit(0), i.cert.SubjectKeyId)))
	}
	if t.urls.OCSP != "" || t.urls.CAIssuers != "" {
		add(oidAuthorityInfo, false, t.derAuthorityInfo())
	}
	if t.urls.CRL != "" {
		add(oidCRLDistribution, false, t.derDistributionPoint())
	}
	for _, e := range t.extensions {
		add(e.Id, e.Critical, e.Value)
	}
	if len(t.sans) > 0 {
		add(oidSAN, t.subjectIsEmpty(), marshalAltNames(t.sans))
	}
	return out, nil
}

func derExtension(oid asn1.ObjectIdentifier, critical bool, value []byte) []byte {
	if critical {
		return der(casn1.SEQUENCE, derOID(oid), derTrue, der(casn1.OCTET_STRING, value))
	}
	return der(casn1.SEQUENCE, derOID(oid), der(casn1.OCTET_STRING, value))
}

// derKeyUsage: a BIT STRING of named bits ends with the last that is set (X.690,
// Section 11.2.2), and x509.KeyUsage has them the other way round.
func (t *terms) derKeyUsage() []byte {
	named := binary.BigEndian.AppendUint16(nil, bits.Reverse16(uint16(t.keyUsage)))
	if named[1] == 0 {
		named = named[:1]
	}
	unused := bits.TrailingZeros8(named[len(named)-1])
	return der(casn1.BIT_STRING, []byte{byte(unused)}, named)
}

func (t *terms) derUsages() []byte {
	var all []byte
	for _, oid := range t.usages {
		all = append(all, derOID(oid)...)
	}
	return der(casn1.SEQUENCE, all)
}

func (t *terms) derBasicConstraints() []byte {
	switch {
	case !t.ca:
		return der(casn1.SEQUENCE)
	case t.pathLen < 0:
		return der(casn1.SEQUENCE, derTrue)
	}
	return der(casn1.SEQUENCE, derTrue, derInteger(t.pathLen))
}

var (
	oidOCSP      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidCAIssuers = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
)

// derAuthorityInfo: RFC 5280, Section 4.2.2.1.
func (t *terms) derAuthorityInfo() []byte {
	var ocsp, issuers []byte
	if t.urls.OCSP != "" {
		ocsp = der(casn1.SEQUENCE, derOID(oidOCSP), derURL(t.urls.OCSP))
	}
	if t.urls.CAIssuers != "" {
		issuers = der(casn1.SEQUENCE, derOID(oidCAIssuers), derURL(t.urls.CAIssuers))
	}
	return der(casn1.SEQUENCE, ocsp, issuers)
}

// derDistributionPoint: RFC 5280, Section 4.2.1.13, one point with one full name.
func (t *terms) derDistributionPoint() []byte {
	fullName := der(explicit(0), derURL(t.urls.CRL))
	return der(casn1.SEQUENCE, der(casn1.SEQUENCE, der(explicit(0), fullName)))
}

// derURL is a GeneralName that is a URI.
func derURL(url string) []byte { return der(implicit(6), []byte(url)) }

// derTime: RFC 5280, Section 4.1.2.5, two digits for the year through 2049.
func derTime(t time.Time) []byte {
	if t.Year() < 2050 {
		return der(casn1.UTCTime, t.AppendFormat(nil, "060102150405Z"))
	}
	return der(casn1.GeneralizedTime, t.AppendFormat(nil, "20060102150405Z"))
}

// derInteger is n, which is not negative, as an INTEGER.
func derInteger(n int) []byte {
	octets := binary.BigEndian.AppendUint64(nil, uint64(n))
	for len(octets) > 1 && octets[0] == 0 && octets[1] < 0x80 {
		octets = octets[1:]
	}
	return der(casn1.INTEGER, octets)
}

var derTrue = []byte{byte(casn1.BOOLEAN), 1, 0xff}

// derOID is nil for what DER can't encode, which [NewProfile] lets none of in.
func derOID(oid asn1.ObjectIdentifier) []byte {
	if len(oid) < 2 || oid[0] > 2 || oid[0] < 2 && oid[1] > 39 || slices.Min(oid) < 0 {
		return nil
	}
	octets := appendBase128(make([]byte, 0, 16), oid[0]*40+oid[1]) // X.690, Section 8.19.4
	for _, arc := range oid[2:] {
		octets = appendBase128(octets, arc)
	}
	return der(casn1.OBJECT_IDENTIFIER, octets)
}

// appendBase128: X.690, Section 8.19.2, seven bits an octet, all but the last with the eighth set.
func appendBase128(octets []byte, n int) []byte {
	for shift := max(bits.Len(uint(n))-1, 0) / 7 * 7; shift > 0; shift -= 7 {
		octets = append(octets, byte(n>>shift)|0x80)
	}
	return append(octets, byte(n)&0x7f)
}

// der is an element whose content is the parts, one after the other.
func der(tag casn1.Tag, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := append(make([]byte, 0, 5+n), byte(tag))
	switch { // X.690, Section 10.1
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default: // as far as 64 KiB, which no name or key allowed comes near
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func implicit(tag uint8) casn1.Tag { return casn1.Tag(tag).ContextSpecific() }
func explicit(tag uint8) casn1.Tag { return implicit(tag).Constructed() }

// certificate is tbs with its signature (RFC 5280, Section 4.1).
func (i *Issuer) certificate(tbs, signature []byte) ([]byte, error) {
	algorithm, err := i.algorithm.Marshal()
	if err != nil {
		return nil, err
	}
	return der(casn1.SEQUENCE, tbs, algorithm, der(casn1.BIT_STRING, []byte{0}, signature)), nil
}
