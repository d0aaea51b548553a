// Package crl writes and reads certificate revocation lists (RFC 5280,
// Section 5).
//
// [Create] makes a complete CRL: one that covers every certificate of its
// issuer and therefore carries no IssuingDistributionPoint, which OpenSSL would
// take for a "different CRL scope". Entries come one at a time from whoever has
// them and are written one at a time. The bytes that are signed are those that
// crypto/x509's CreateRevocationList would sign.
//
// [Parse] and [Check] are for those who obey: a list that can't be obeyed, is not
// from the issuer it is expected from, not in force yet or not any more, is
// refused with an error that says which. A [List] of a million entries is read in
// some ten milliseconds, and [List.Find] looks one up.
package crl

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

// ContentType is the media type of one CRL in DER (RFC 2585, Section 4.2).
const ContentType = "application/pkix-crl"

// A Template is what goes into a CRL.
type Template struct {
	// Number is the CRLNumber, greater than that of any CRL before.
	Number uint64
	// ThisUpdate and NextUpdate bound the time that the CRL is good for, in whole seconds.
	ThisUpdate, NextUpdate time.Time
	// Entries calls yield with each revoked certificate, until yield returns
	// false. What it fails with, Create fails with. Nil for an empty CRL.
	Entries func(yield func(Entry) bool) error
}

// A Signer is a CRL's issuer with its key: a [ca.Issuer].
type Signer interface {
	Certificate() *x509.Certificate
	// CRLSignatureAlgorithm is the AlgorithmIdentifier of the signatures that SignCRL makes.
	CRLSignatureAlgorithm() pkix.AlgorithmIdentifier
	// SignCRL signs the DER of a TBSCertList.
	SignCRL(tbs []byte) ([]byte, error)
}

// Create makes and signs a complete CRL and returns its DER.
func Create(s Signer, t Template) ([]byte, error) {
	if err := t.check(s.Certificate()); err != nil {
		return nil, fmt.Errorf("making a CRL: %w", err)
	}
	algorithm, err := asn1.Marshal(s.CRLSignatureAlgorithm())
	if err != nil {
		return nil, fmt.Errorf("making a CRL: its signature algorithm: %w", err)
	}
	entries, err := encodeEntries(t.Entries)
	if err != nil {
		return nil, fmt.Errorf("making a CRL: %w", err)
	}
	tbs, err := encodeTBS(s.Certificate(), t, algorithm, entries)
	if err != nil {
		return nil, fmt.Errorf("making a CRL: %w", err)
	}
	signature, err := s.SignCRL(tbs)
	if err != nil {
		return nil, fmt.Errorf("signing a CRL: %w", err)
	}
	return encodeSigned(tbs, algorithm, signature)
}

func (t Template) check(issuer *x509.Certificate) error {
	switch {
	case issuer.KeyUsage&x509.KeyUsageCRLSign == 0: // RFC 5280, Section 4.2.1.3
		return errors.New("the issuer's key usage does not allow signing CRLs")
	case len(issuer.SubjectKeyId) == 0: // RFC 5280, Section 5.2.1: the AKI names it
		return errors.New("the issuer has no subject key identifier")
	case !t.NextUpdate.After(t.ThisUpdate):
		return errors.New("its nextUpdate is not after its thisUpdate")
	}
	return nil
}
