package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// A List is a CRL as it is given out.
type List struct {
	Issuer                 string // the issuer's ID
	DER                    []byte
	Number                 *big.Int
	ThisUpdate, NextUpdate time.Time
	Entries                int
	// ETag is an entity tag with its quotes; Modified is in whole seconds, and no
	// two lists of an issuer that one Publisher made share it.
	ETag     string
	Modified time.Time
}

// newList takes a CRL that it has verified to be issuer's.
func newList(der []byte, issuer *x509.Certificate, modified time.Time) (*List, error) {
	parsed, err := crl.Parse(der)
	if err != nil {
		return nil, err
	}
	if err := parsed.Complete(); err != nil {
		return nil, err
	}
	if err := crl.CheckSignature(parsed, issuer); err != nil {
		return nil, err
	}
	return &List{
		Issuer: ca.IssuerID(issuer), DER: der, Number: parsed.Number,
		ThisUpdate: parsed.ThisUpdate, NextUpdate: parsed.NextUpdate,
		Entries: parsed.Entries,
		ETag:    etag(der), Modified: modified.Truncate(time.Second),
	}, nil
}

// loadList reads a file with one CRL of issuer, DER or PEM.
func loadList(path string, issuer *x509.Certificate) (*List, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	ders, err := crl.Split(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(ders) != 1 {
		return nil, fmt.Errorf("%s: %w: %d CRLs where one is expected", path, crl.ErrMalformed, len(ders))
	}
	l, err := newList(ders[0], issuer, info.ModTime())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// etag is a strong entity tag of data (RFC 9110, Section 8.8.3).
func etag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// RootCRL makes a CRL of the root, or of any issuer whose key is at hand, and
// returns its DER: at init, and again before nextUpdate, which is now and
// lifetime. number must be greater than that of any CRL of this issuer before.
func RootCRL(root *ca.Issuer, number uint64, now time.Time, lifetime time.Duration, entries []Entry) ([]byte, error) {
	if number == 0 {
		return nil, errors.New("making a CRL: numbers begin with 1")
	}
	return crl.Create(root, crl.Template{
		Number: number, ThisUpdate: now.Add(-clockSlack), NextUpdate: now.Add(lifetime),
		Entries: func(yield func(crl.Entry) bool) error {
			for _, e := range entries {
				if !yield(e.line()) {
					break
				}
			}
			return nil
		},
	})
}
