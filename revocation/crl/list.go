package crl

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"iter"
	"math/big"
	"sync"
	"time"

	"signet/ca"
)

// A List is a CRL that [Parse] has read: complete, of a partition, a delta, or
// the delta of a partition. Its slices point into Raw, which must not change.
// It is safe for concurrent use and must not be copied.
type List struct {
	Raw       []byte // the CRL
	RawTBS    []byte // what is signed of it
	RawIssuer []byte
	Signature []byte // no two lists of an issuer share it

	Issuer                 pkix.Name
	Number                 *big.Int
	ThisUpdate, NextUpdate time.Time
	// IDP are the URLs of the IssuingDistributionPoint (RFC 5280, Section 5.2.5):
	// the list covers those certificates of which one of them is a CRL
	// distribution point. Nil where it covers all of the issuer's.
	IDP []string
	// Base is the BaseCRLNumber of a delta CRL (Section 5.2.4); nil for another.
	Base *big.Int
	// Freshest are the URLs at which the list's delta is (Section 5.2.6).
	Freshest []string
	Entries  int

	head    *x509.RevocationList // all of it but the entries
	entries []byte               // the content of revokedCertificates

	indexed sync.Once // guards the two below
	index   []uint32  // where each entry begins in entries, by serial
}

// A Revoked is one entry of a [List].
type Revoked struct {
	// Serial is the content of the serial number's INTEGER, big-endian, within
	// the list's Raw. Not every CA's fits a [ca.Serial].
	Serial []byte
	At     time.Time
	Reason ca.Reason // RemoveFromCRL in a delta: not revoked any more
}

// Complete fails with [ErrNotComplete] unless the list is all that its issuer
// has revoked: neither a partition's nor a delta.
func (l *List) Complete() error {
	switch {
	case l.Base != nil:
		return fmt.Errorf("%w: it is the delta of CRL number %v", ErrNotComplete, l.Base)
	case l.IDP != nil:
		return fmt.Errorf("%w: it covers certificates with the distribution point %s alone", ErrNotComplete, l.IDP[0])
	}
	return nil
}

// All are the entries in their order. It allocates nothing.
func (l *List) All() iter.Seq[Revoked] {
	return func(yield func(Revoked) bool) {
		for rest := l.entries; len(rest) > 0; {
			var r Revoked
			if r, rest, _ = readEntry(rest); !yield(r) { // Parse has read them all before
				return
			}
		}
	}
}
