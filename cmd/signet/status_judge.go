package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"signet/ca"
	"signet/enroll/ceremony"
	"signet/internal/exit"
	"signet/piv"
	"signet/revocation/ocsp"
)

// judge asks the CA. Its error is the verdict, where that isn't good or, within
// expiring, won't be.
func (s *status) judge(ctx context.Context, expiring time.Duration) error {
	known, err := loadAuthorities()
	if err != nil {
		return err
	}
	issuer, err := s.findIssuer(ctx, known)
	switch {
	case errors.Is(err, errUntrusted):
		return s.fail(exit.Denied, "untrusted", err, "Name the CA once: signet enroll --ca URL --fingerprint HEX.")
	case err != nil:
		return s.fail(exit.Unreachable, "unreachable", fmt.Errorf("the CA can't be asked: %w", err), hintAsk)
	case s.KeyOnCard != nil && !*s.KeyOnCard: // of one of ours: others' are none of our business
		return s.fail(exit.Denied, "mismatch", fmt.Errorf("slot %s does not hold the certificate's key", s.Slot),
			"If an enrollment was ended halfway, run it again: signet enroll.")
	}
	if time.Now().After(s.NotAfter) {
		if s.retired() {
			s.Status = retired
			return nil
		}
		return s.fail(exit.Denied, "expired", fmt.Errorf("the certificate expired on %s", s.NotAfter.Format(time.DateOnly)),
			"Get another: signet enroll --force.")
	}
	answer, err := askOCSP(ctx, s.cert, issuer)
	if err != nil {
		return s.fail(exit.Unreachable, "unreachable", fmt.Errorf("the CA can't be asked: %w", err), hintAsk)
	}
	return s.answered(answer, expiring)
}

// answered is the verdict by what the CA said.
func (s *status) answered(answer ocsp.Single, expiring time.Duration) error {
	switch {
	case answer.Status == ocsp.Good:
		s.Status = "good"
		if time.Until(s.NotAfter) > expiring {
			return nil
		}
		s.Expiring = true
		return exit.With(exit.Expiring, fmt.Errorf("the certificate runs out on %s (%s)", s.NotAfter.Local().Format(time.DateOnly),
			left(s.NotAfter, time.Now())), "Get another in time: signet renew.")
	case answer.Status == ocsp.Revoked:
		s.RevokedAt, s.Reason = &answer.RevokedAt, &answer.Reason
		if answer.Reason == ca.Superseded && s.retired() {
			s.Status = retired
			return nil
		}
		word, hint := "revoked", hintRefused
		if answer.Reason == ca.CertificateHold {
			word, hint = "held", "Ask the CA's officers to release it."
		}
		return s.fail(exit.Denied, word, fmt.Errorf("the certificate is %s since %s (%s)", word,
			answer.RevokedAt.UTC().Format(time.RFC3339), answer.Reason), hint)
	}
	return s.fail(exit.Denied, "unknown", errors.New("the CA says that it never issued this certificate"), hintRefused)
}

func (s *status) fail(code int, status string, err error, hint string) error {
	s.Status, s.Problem = status, err.Error()
	return exit.With(code, err, hint)
}

// retired is the status of a certificate that has another in its place, and whose key is kept.
const retired = "retired"

// retired reports whether the slot is one where a key is kept to read what was encrypted to it.
func (s *status) retired() bool {
	slot, err := piv.ParseSlot(s.Slot)
	return err == nil && slices.Contains(piv.RetiredSlots(), slot) && ceremony.Encrypts(slot, s.cert)
}

const (
	hintRefused = "Ask the CA's officers; for another certificate: signet enroll --force."
	hintAsk     = "Check the network and run the command again; whether the certificate still holds isn't known."
)

var errUntrusted = errors.New("the certificate is of no CA that is remembered here")

// plain is for what is fetched by plain HTTP: it is signed.
var plain = &http.Client{Timeout: 20 * time.Second}

// findIssuer fetches the issuer's certificate from where the certificate says,
// and sees to it that it leads to a root that was trusted.
func (s *status) findIssuer(ctx context.Context, known *authorities) (*x509.Certificate, error) {
	if len(s.cert.IssuingCertificateURL) == 0 || len(known.all) == 0 {
		return nil, errUntrusted
	}
	issuer, err := fetchCertificate(ctx, s.cert.IssuingCertificateURL[0])
	if err != nil {
		return nil, err
	}
	if s.cert.CheckSignatureFrom(issuer) != nil {
		return nil, errUntrusted
	}
	for _, au := range known.all {
		root, err := au.root()
		if err == nil && (issuer.Equal(root) || issuer.CheckSignatureFrom(root) == nil) {
			s.CA = au.URL
			return issuer, nil
		}
	}
	return nil, errUntrusted
}

func fetchCertificate(ctx context.Context, url string) (*x509.Certificate, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := plain.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, resp.Status)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func askOCSP(ctx context.Context, cert, issuer *x509.Certificate) (ocsp.Single, error) {
	if len(cert.OCSPServer) == 0 {
		return ocsp.Single{}, errors.New("the certificate names no OCSP responder")
	}
	q, err := ocsp.NewQuery(cert, issuer)
	if err != nil {
		return ocsp.Single{}, err
	}
	return q.Ask(ctx, plain, cert.OCSPServer[0])
}
