package ocsp

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"signet/ca"
	"signet/internal/sigalg"
)

// A Status is what a responder says of a certificate (RFC 6960, Section 2.2).
type Status int

// The statuses, with the tags of CertStatus.
const (
	Good    Status = 0
	Revoked Status = 1
	Unknown Status = 2
)

// String is the status in one word, as RFC 6960 spells it.
func (s Status) String() string {
	switch s {
	case Good:
		return "good"
	case Revoked:
		return "revoked"
	}
	return "unknown"
}

// A Single is the answer about one certificate.
type Single struct {
	ID     CertID
	Status Status
	// RevokedAt and Reason are set where Status is Revoked.
	RevokedAt time.Time
	Reason    ca.Reason
	// ThisUpdate and NextUpdate bound the time that the answer is good for.
	ThisUpdate, NextUpdate time.Time
}

// A Template is what goes into a response.
type Template struct {
	ProducedAt time.Time
	Singles    []Single // at least one
	Nonce      []byte   // the request's; nil for none
}

// A Signer is a delegated responder: its certificate, which goes into each
// response, and its key (P-256, P-384, P-521, RSA or Ed25519).
type Signer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// An ErrorStatus is an answer that is not about a certificate (RFC 6960,
// Section 4.2.1: OCSPResponseStatus).
type ErrorStatus int

// The error statuses; sigRequired is never given.
const (
	MalformedRequest ErrorStatus = 1
	InternalError    ErrorStatus = 2
	TryLater         ErrorStatus = 3
	Unauthorized     ErrorStatus = 6
)

// ErrorResponse is the OCSPResponse that says s; it is not signed.
func ErrorResponse(s ErrorStatus) []byte { return []byte{0x30, 0x03, 0x0a, 0x01, byte(s)} }

// Create makes and signs a response and returns its OCSPResponse's DER.
func Create(t Template, s Signer) ([]byte, error) {
	algorithm, err := sigalg.For(s.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("signing OCSP response: %w", err)
	}
	tbs, err := encodeResponseData(t, s.Certificate)
	if err != nil {
		return nil, fmt.Errorf("making OCSP response: %w", err)
	}
	signature, err := crypto.SignMessage(s.Key, rand.Reader, tbs, algorithm.Hash)
	if err != nil {
		return nil, fmt.Errorf("signing OCSP response: %w", err)
	}
	algorithmID, err := algorithm.Marshal()
	if err != nil {
		return nil, fmt.Errorf("signing OCSP response: %w", err)
	}
	return encodeResponse(tbs, algorithmID, signature, s.Certificate.Raw)
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
			b.AddASN1OctetString(responderKeyHash(responder))
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

// responderKeyHash is KeyHash: SHA-1 by definition (RFC 6960, Section 4.2.1).
func responderKeyHash(responder *x509.Certificate) []byte {
	return digest(crypto.SHA1, publicKeyBits(responder))
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
