package crl

import (
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidCRLNumber      = encoding_asn1.ObjectIdentifier{2, 5, 29, 20}
	oidAuthorityKeyID = encoding_asn1.ObjectIdentifier{2, 5, 29, 35}
)

// encodeEntries writes each entry as it comes. What it returns is the content
// of revokedCertificates without the header, since the length stands first.
func encodeEntries(entries func(yield func(Entry) bool) error) ([]byte, error) {
	if entries == nil {
		return nil, nil
	}
	var out []byte
	var bad error
	err := entries(func(e Entry) bool {
		out, bad = AppendEntry(out, e)
		return bad == nil
	})
	if bad != nil {
		return nil, bad
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is revoked: %w", err)
	}
	return out, nil
}

// addExtension adds an Extension that is not critical.
func addExtension(b *cryptobyte.Builder, oid encoding_asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(asn1.OCTET_STRING, value)
	})
}

// encodeTBS writes the TBSCertList (RFC 5280, Section 5.1.2).
func encodeTBS(issuer *x509.Certificate, t Template, algorithm, entries []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(entries)+len(issuer.RawSubject)+512))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1) // v2
		b.AddBytes(algorithm)
		b.AddBytes(issuer.RawSubject)
		b.AddBytes(appendTime(nil, t.ThisUpdate))
		b.AddBytes(appendTime(nil, t.NextUpdate))
		if len(entries) > 0 {
			// RFC 5280, Section 5.1.2.6: absent, not empty, when nothing is revoked.
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(entries) })
		}
		b.AddASN1(asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			addCRLExtensions(b, issuer.SubjectKeyId, t.Number)
		})
	})
	return b.Bytes()
}

// addCRLExtensions adds the two that RFC 5280, Section 5.2 demands of each CRL.
func addCRLExtensions(b *cryptobyte.Builder, issuerKeyID []byte, number uint64) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addExtension(b, oidAuthorityKeyID, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(issuerKeyID) })
			})
		})
		addExtension(b, oidCRLNumber, func(b *cryptobyte.Builder) { b.AddASN1Uint64(number) })
	})
}

// encodeSigned puts the CertificateList together.
func encodeSigned(tbs, algorithm, signature []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(algorithm)+len(signature)+32))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("making a CRL: %w", err)
	}
	return der, nil
}
