package crl

import (
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"signet/ca"
)

var (
	oidCRLNumber      = encoding_asn1.ObjectIdentifier{2, 5, 29, 20}
	oidAuthorityKeyID = encoding_asn1.ObjectIdentifier{2, 5, 29, 35}
)

// beforeEntries is the content of a TBSCertList up to revokedCertificates (RFC
// 5280, Section 5.1.2).
func (h Head) beforeEntries(issuer *x509.Certificate, algorithm []byte) []byte {
	out := append([]byte{tagInteger, 1, 1}, algorithm...) // v2
	out = append(out, issuer.RawSubject...)
	out = appendTime(out, h.ThisUpdate)
	return appendTime(out, h.NextUpdate)
}

// afterEntries are the crlExtensions. RFC 5280, Section 5.2 demands the first
// two of each CRL.
func (h Head) afterEntries(issuer *x509.Certificate) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addExtension(b, oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(issuer.SubjectKeyId) })
				})
			})
			addExtension(b, oidCRLNumber, false, func(b *cryptobyte.Builder) { b.AddASN1Uint64(h.Number) })
			h.addScope(b)
		})
	})
	return b.Bytes()
}

// addScope adds what a plain complete CRL must not carry.
func (h Head) addScope(b *cryptobyte.Builder) {
	if h.Base != 0 { // RFC 5280, Section 5.2.4: critical
		addExtension(b, oidDeltaIndicator, true, func(b *cryptobyte.Builder) { b.AddASN1Uint64(h.Base) })
	}
	if h.IDP != "" { // RFC 5280, Section 5.2.5: critical
		addExtension(b, oidIDP, true, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { addPoint(b, h.IDP) })
		})
	}
	if h.Freshest != "" { // RFC 5280, Section 5.2.6: not critical
		addExtension(b, oidFreshestCRL, false, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { addPoint(b, h.Freshest) })
			})
		})
	}
}

// addPoint adds a DistributionPointName that is one URL, as crypto/x509 writes it
// into certificates: Windows compares the two byte for byte.
func addPoint(b *cryptobyte.Builder, url string) {
	b.AddASN1(tagPoint, func(b *cryptobyte.Builder) {
		b.AddASN1(tagFullName, func(b *cryptobyte.Builder) {
			b.AddASN1(tagURI, func(b *cryptobyte.Builder) { b.AddBytes([]byte(url)) })
		})
	})
}

func addExtension(b *cryptobyte.Builder, oid encoding_asn1.ObjectIdentifier, critical bool, value cryptobyte.BuilderContinuation) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical { // X.690, Section 11.5: the default is left out
			b.AddASN1Boolean(true)
		}
		b.AddASN1(asn1.OCTET_STRING, value)
	})
}

// header is tag and length of an element whose content has n octets.
func header(tag byte, n int64) []byte {
	if n < 0x80 {
		return []byte{tag, byte(n)}
	}
	var length []byte
	for ; n > 0; n >>= 8 {
		length = append([]byte{byte(n)}, length...)
	}
	return append([]byte{tag, 0x80 | byte(len(length))}, length...)
}

func marshalAlgorithm(issuer *ca.Issuer) ([]byte, error) {
	der, err := encoding_asn1.Marshal(issuer.CRLSignatureAlgorithm())
	if err != nil {
		return nil, fmt.Errorf("its signature algorithm: %w", err)
	}
	return der, nil
}
