package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"signet/ca"
	"signet/ca/catest"
)

// Responses are to the octet what cryptobyte's builder makes of the same.
func TestEncoding(t *testing.T) {
	h := catest.New(t)
	s, err := NewSigning(Signer{Certificate: h.Intermediate, Key: h.IntermediateKey})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("east", 3600))
	for _, singles := range []int{1, 2, 7, 32} {
		for _, nonce := range []int{0, 1, 32, 100, 127, 128} {
			for _, status := range []Status{Good, Revoked, Unknown} {
				for _, reason := range []ca.Reason{ca.Unspecified, ca.KeyCompromise} {
					tmpl := Template{ProducedAt: now, Nonce: bytes.Repeat([]byte{7}, nonce)}
					if nonce == 0 {
						tmpl.Nonce = nil
					}
					for i := range singles {
						id, err := NewCertID(h.Intermediate, big.NewInt(int64(i)<<40), []crypto.Hash{crypto.SHA1, crypto.SHA512}[i%2])
						if err != nil {
							t.Fatal(err)
						}
						tmpl.Singles = append(tmpl.Singles, Single{
							ID: id, Status: status, Reason: reason, RevokedAt: now.Add(-time.Hour),
							ThisUpdate: now, NextUpdate: now.AddDate(7000, 0, 0),
						})
					}
					want, err := encodeResponseData(tmpl, h.Intermediate)
					if got := s.appendData(nil, &tmpl); err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%d answers, nonce of %d, %s, %s (%v):\n%x\n%x", singles, nonce, status, reason, err, got, want)
					}
					for _, signature := range [][]byte{make([]byte, 70), make([]byte, 300)} {
						want, err := encodeResponse(want, s.algorithmID, signature, h.Intermediate.Raw)
						if got := s.appendResponse(nil, s.appendData(nil, &tmpl), signature); err != nil || !bytes.Equal(got, want) {
							t.Fatalf("%d answers, nonce of %d (%v):\n%x\n%x", singles, nonce, err, got, want)
						}
					}
				}
			}
		}
	}
	if _, err := s.Append(nil, &Template{ProducedAt: now.AddDate(9000, 0, 0)}); err == nil {
		t.Error("the year 11026 was written")
	}
}

// encodeResponse wraps a signed ResponseData into BasicOCSPResponse and OCSPResponse.
func encodeResponse(tbs, algorithmID, signature, certificate []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(signature)+len(certificate)+128))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0) // successful
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidBasic)
				b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddBytes(tbs)
						b.AddBytes(algorithmID)
						b.AddASN1BitString(signature)
						b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
							b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(certificate) })
						})
					})
				})
			})
		})
	})
	return b.Bytes()
}

// encodeResponseData writes the part that is signed (RFC 6960, Section 4.2.1).
func encodeResponseData(t Template, responder *x509.Certificate) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { // byKey: shorter than byName
			b.AddASN1OctetString(digest(crypto.SHA1, publicKeyBits(responder)))
		})
		b.AddASN1GeneralizedTime(t.ProducedAt.UTC())
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, s := range t.Singles {
				s.add(b)
			}
		})
		addNonce(b, 1, t.Nonce)
	})
	return b.Bytes()
}

// add writes a SingleResponse.
func (s Single) add(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(s.ID.Raw)
		if s.Status == Revoked {
			b.AddASN1(explicit(1), s.addRevokedInfo)
		} else {
			b.AddASN1(implicit(uint8(s.Status)), func(*cryptobyte.Builder) {})
		}
		b.AddASN1GeneralizedTime(s.ThisUpdate.UTC())
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(s.NextUpdate.UTC()) })
	})
}

// addRevokedInfo writes RevokedInfo. As in a CRL (RFC 5280, Section 5.3.1),
// unspecified is left out.
func (s Single) addRevokedInfo(b *cryptobyte.Builder) {
	b.AddASN1GeneralizedTime(s.RevokedAt.UTC())
	if s.Reason != ca.Unspecified {
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.Reason)) })
	}
}
