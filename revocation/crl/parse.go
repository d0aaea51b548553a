package crl

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Why a CRL is refused. Errors of [Parse] and [Check] wrap one of them.
var (
	ErrMalformed   = errors.New("not a whole CRL")
	ErrNotComplete = errors.New("not a complete CRL")
	ErrSignature   = errors.New("not signed by the expected issuer")
	ErrExpired     = errors.New("run out")
	ErrNotYet      = errors.New("not in force yet")
)

// Parse reads the DER of one complete CRL with a CRL number and a nextUpdate,
// and nothing behind it. It does not verify: see [Check].
func Parse(der []byte) (*x509.RevocationList, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	switch {
	case len(list.Raw) != len(der):
		return nil, fmt.Errorf("%w: %d octets follow it", ErrMalformed, len(der)-len(list.Raw))
	case list.Number == nil || list.Number.Sign() < 0: // RFC 5280, Section 5.2.3
		return nil, fmt.Errorf("%w: it has no CRL number", ErrMalformed)
	case list.NextUpdate.IsZero(): // RFC 5280, Section 5.1.2.5
		return nil, fmt.Errorf("%w: it has no nextUpdate", ErrMalformed)
	}
	for _, ext := range list.Extensions {
		// RFC 5280, Section 5.2: a critical extension that one can't process, such as
		// IssuingDistributionPoint or DeltaCRLIndicator, forbids using the CRL.
		if ext.Critical {
			return nil, fmt.Errorf("%w: critical extension %v", ErrNotComplete, ext.Id)
		}
	}
	return list, nil
}

// Check verifies that issuer signed the list and that it is in force at now,
// where clocks may differ by slack.
func Check(list *x509.RevocationList, issuer *x509.Certificate, now time.Time, slack time.Duration) error {
	if err := CheckSignature(list, issuer); err != nil {
		return err
	}
	return CheckFresh(list, now, slack)
}

// CheckSignature verifies that issuer signed the list.
func CheckSignature(list *x509.RevocationList, issuer *x509.Certificate) error {
	if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("%w: it is by %q, not by %q", ErrSignature, list.Issuer, issuer.Subject)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("%w %q: %v", ErrSignature, issuer.Subject, err)
	}
	return nil
}

// CheckFresh verifies that the list is in force at now, where clocks may
// differ by slack.
func CheckFresh(list *x509.RevocationList, now time.Time, slack time.Duration) error {
	if list.ThisUpdate.After(now.Add(slack)) {
		return fmt.Errorf("%w: its thisUpdate is %s", ErrNotYet, list.ThisUpdate.Format(time.RFC3339))
	}
	if !list.NextUpdate.After(now) {
		return fmt.Errorf("%w: its nextUpdate was %s", ErrExpired, list.NextUpdate.Format(time.RFC3339))
	}
	return nil
}
