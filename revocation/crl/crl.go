// Package crl writes and reads certificate revocation lists (RFC 5280,
// Section 5).
//
// [Write] makes a CRL of any size: entries that were encoded when certificates
// were revoked ([AppendEntry]) go from whoever has them into the list's file and
// into its hash, and then it is signed. Memory does not grow with them. The bytes
// that are signed are those that crypto/x509's CreateRevocationList would sign.
// [Create] makes small ones in memory.
//
// A complete CRL covers every certificate of its issuer and therefore carries no
// IssuingDistributionPoint, which OpenSSL would take for a "different CRL scope".
// That of a partition carries one; a delta says from which CRL number on it is good.
//
// [Parse] and [Check] are for those who obey: a list that can't be obeyed, is not
// from the issuer it is expected from, not in force yet or not any more, is
// refused with an error that says which. A [List] of a million entries is read in
// some ten milliseconds, and [List.Find] looks one up.
package crl

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"signet/ca"
)

// ContentType is the media type of one CRL in DER (RFC 2585, Section 4.2).
const ContentType = "application/pkix-crl"

// A Head is all of a CRL but its entries and what its issuer gives.
type Head struct {
	// Number is the CRLNumber, greater than that of any CRL of that scope before.
	Number uint64
	// ThisUpdate and NextUpdate bound the time that the CRL is good for, in whole seconds.
	ThisUpdate, NextUpdate time.Time
	// IDP is the URL of the partition that the CRL covers, as it stands in its
	// certificates; "" for a CRL that covers all.
	IDP string
	// Base is the BaseCRLNumber of a delta CRL; 0 for another.
	Base uint64
	// Freshest is the URL of this CRL's delta; "" where there is none.
	Freshest string
}

func (h Head) check(issuer *x509.Certificate) error {
	switch {
	case issuer.KeyUsage&x509.KeyUsageCRLSign == 0: // RFC 5280, Section 4.2.1.3
		return errors.New("the issuer's key usage does not allow signing CRLs")
	case len(issuer.SubjectKeyId) == 0: // RFC 5280, Section 5.2.1: the AKI names it
		return errors.New("the issuer has no subject key identifier")
	case !h.NextUpdate.After(h.ThisUpdate):
		return errors.New("its nextUpdate is not after its thisUpdate")
	case h.Base > h.Number:
		return errors.New("it is a delta of a later CRL")
	case h.Base != 0 && h.Freshest != "": // RFC 5280, Section 5.2.6
		return errors.New("it is a delta that names another delta")
	}
	return nil
}

// A Template is a small CRL.
type Template struct {
	Number                 uint64
	ThisUpdate, NextUpdate time.Time
	// Entries calls yield with each revoked certificate, until yield returns
	// false. What it fails with, Create fails with. Nil for an empty CRL.
	Entries func(yield func(Entry) bool) error
}

// Create makes and signs a complete CRL in memory and returns its DER.
func Create(issuer *ca.Issuer, t Template) ([]byte, error) {
	entries, n, err := encodeEntries(t.Entries)
	if err != nil {
		return nil, fmt.Errorf("making a CRL: %w", err)
	}
	var out Memory
	_, err = Write(&out, issuer, Head{Number: t.Number, ThisUpdate: t.ThisUpdate, NextUpdate: t.NextUpdate}, Encoded(entries, n))
	if err != nil {
		return nil, err
	}
	return out, nil
}

func encodeEntries(entries func(yield func(Entry) bool) error) (out []byte, n int, err error) {
	if entries == nil {
		return nil, 0, nil
	}
	var bad error
	err = entries(func(e Entry) bool {
		out, bad = AppendEntry(out, e)
		n++
		return bad == nil
	})
	if bad != nil {
		return nil, 0, bad
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading what is revoked: %w", err)
	}
	return out, n, nil
}
