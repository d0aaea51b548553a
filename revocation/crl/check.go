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
	ErrUnsupported = errors.New("a CRL of a kind that is not known here")
	ErrNotComplete = errors.New("not a complete CRL")
	ErrSignature   = errors.New("not signed by the expected issuer")
	ErrExpired     = errors.New("run out")
	ErrNotYet      = errors.New("not in force yet")
)

// Check verifies that issuer signed the list and that it is in force at now,
// where clocks may differ by slack.
func Check(list *List, issuer *x509.Certificate, now time.Time, slack time.Duration) error {
	if err := CheckSignature(list, issuer); err != nil {
		return err
	}
	return CheckFresh(list, now, slack)
}

// CheckSignature verifies that issuer signed the list.
func CheckSignature(list *List, issuer *x509.Certificate) error {
	if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("%w: it is by %q, not by %q", ErrSignature, list.Issuer, issuer.Subject)
	}
	if err := mayIssue(issuer); err != nil {
		return fmt.Errorf("%w %q: %w", ErrSignature, issuer.Subject, err)
	}
	if err := issuer.CheckSignature(list.head.SignatureAlgorithm, list.RawTBS, list.Signature); err != nil {
		return fmt.Errorf("%w %q: %w", ErrSignature, issuer.Subject, err)
	}
	return nil
}

// mayIssue: RFC 5280, Section 6.3.3 (f).
func mayIssue(issuer *x509.Certificate) error {
	switch {
	case !issuer.BasicConstraintsValid || !issuer.IsCA:
		return errors.New("that is no CA")
	case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("its key usage does not allow signing CRLs")
	}
	return nil
}

// CheckFresh verifies that the list is in force at now, where clocks may
// differ by slack.
func CheckFresh(list *List, now time.Time, slack time.Duration) error {
	if list.ThisUpdate.After(now.Add(slack)) {
		return fmt.Errorf("%w: its thisUpdate is %s", ErrNotYet, list.ThisUpdate.Format(time.RFC3339))
	}
	if !list.NextUpdate.After(now) {
		return fmt.Errorf("%w: its nextUpdate was %s", ErrExpired, list.NextUpdate.Format(time.RFC3339))
	}
	return nil
}
