package ocsp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

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

// check fails where a time can't be written: GeneralizedTime has four digits for the year.
func (t *Template) check() error {
	ok := writable(t.ProducedAt)
	for i := range t.Singles {
		s := &t.Singles[i]
		ok = ok && writable(s.ThisUpdate) && writable(s.NextUpdate) && (s.Status != Revoked || writable(s.RevokedAt))
	}
	if !ok {
		return errors.New("a time is not within the years 0 to 9999")
	}
	return nil
}

func writable(t time.Time) bool {
	y := t.UTC().Year()
	return 0 <= y && y <= 9999
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

// A Signing is a Signer with what all its responses share, encoded once. It is safe for
// concurrent use.
type Signing struct {
	Signer
	algorithm   sigalg.Algorithm
	algorithmID []byte // DER
	responderID []byte // DER
}

// NewSigning prepares s; it fails for a key of another kind.
func NewSigning(s Signer) (*Signing, error) {
	p := &Signing{Signer: s}
	var err error
	if p.algorithm, err = sigalg.For(s.Key.Public()); err != nil {
		return nil, fmt.Errorf("signing OCSP responses: %w", err)
	}
	if p.algorithmID, err = p.algorithm.Marshal(); err != nil {
		return nil, fmt.Errorf("signing OCSP responses: %w", err)
	}
	// RFC 6960, Section 4.2.1: byKey, which is shorter than byName; KeyHash is SHA-1 by definition.
	hash := digest(crypto.SHA1, publicKeyBits(s.Certificate))
	p.responderID = appendHeader(nil, explicit(2), 2+len(hash))
	p.responderID = append(appendHeader(p.responderID, asn1.OCTET_STRING, len(hash)), hash...)
	return p, nil
}

// Create makes and signs a response and returns its OCSPResponse's DER.
func Create(t Template, s Signer) ([]byte, error) {
	p, err := NewSigning(s)
	if err != nil {
		return nil, err
	}
	return p.Append(nil, &t)
}

// Append appends the OCSPResponse that it makes and signs.
func (s *Signing) Append(dst []byte, t *Template) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("making OCSP response: %w", err)
	}
	var scratch [1 << 9]byte // enough for one certificate
	tbs := s.appendData(scratch[:0], t)
	signature, err := s.sign(tbs)
	if err != nil {
		return nil, fmt.Errorf("signing OCSP response: %w", err)
	}
	return s.appendResponse(dst, tbs, signature), nil
}

// sign signs. ECDSA takes its k from the key and what is signed (RFC 6979): that saves
// drawing randomness, which would be a fifth of the time of an answer with a nonce.
func (s *Signing) sign(tbs []byte) ([]byte, error) {
	key, ok := s.Key.(*ecdsa.PrivateKey)
	if !ok {
		return crypto.SignMessage(s.Key, rand.Reader, tbs, s.algorithm.Hash)
	}
	if s.algorithm.Hash == crypto.SHA256 {
		sum := sha256.Sum256(tbs)
		return key.Sign(nil, sum[:], crypto.SHA256)
	}
	return key.Sign(nil, digest(s.algorithm.Hash, tbs), s.algorithm.Hash)
}
