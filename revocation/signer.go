package revocation

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"signet/revocation/ocsp"
)

// run renews the delegated signer before it ends, until ctx ends.
func (r *Responder) run(ctx context.Context) error {
	retry := firstTry
	for {
		wait := r.untilRenewal()
		if wait <= 0 {
			if err := r.renew(ctx); err != nil && ctx.Err() == nil {
				r.logger.Error("the OCSP signer can't be renewed; trying again", "error", err, "in", retry)
				wait, retry = retry, min(2*retry, lastTry)
			} else {
				wait, retry = r.untilRenewal(), firstTry
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(wait, firstTry)):
		}
	}
}

// untilRenewal is until two thirds of the signer's time are over.
func (r *Responder) untilRenewal() time.Duration {
	s := r.signer.Load()
	if s == nil {
		return 0
	}
	c := s.Certificate
	return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3).Sub(r.now())
}

// renew makes a fresh P-256 key, which never leaves memory, and has a
// certificate issued for it.
func (r *Responder) renew(ctx context.Context) error {
	if r.issue == nil {
		return errors.New("nothing is configured that issues one")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making an OCSP signer's key: %w", err)
	}
	cert, err := r.issue(ctx, key.Public())
	if err != nil {
		return fmt.Errorf("issuing an OCSP signer: %w", err)
	}
	if pub, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !pub.Equal(key.Public()) {
		return errors.New("issuing an OCSP signer: the certificate is for another key")
	}
	r.signer.Store(&ocsp.Signer{Certificate: cert, Key: key})
	r.logger.Info("the OCSP signer is renewed", "serial", fmt.Sprintf("%x", cert.SerialNumber), "not_after", cert.NotAfter)
	return nil
}

// validSigner is the signer if its certificate is valid at now.
func (r *Responder) validSigner(now time.Time) *ocsp.Signer {
	s := r.signer.Load()
	if s == nil || !now.Before(s.Certificate.NotAfter) || now.Add(clockSlack).Before(s.Certificate.NotBefore) {
		return nil
	}
	return s
}

// usable reports whether a configured signer may answer for issuer at all.
func usable(s ocsp.Signer, issuer *x509.Certificate) bool {
	if s.Certificate == nil || s.Key == nil || s.Certificate.CheckSignatureFrom(issuer) != nil {
		return false
	}
	pub, ok := s.Certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(s.Key.Public())
}

// Check fails where there is no valid signer to answer with.
func (r *Responder) Check() error {
	if r.validSigner(r.now()) == nil {
		return errors.New("there is no valid OCSP signer")
	}
	return nil
}
