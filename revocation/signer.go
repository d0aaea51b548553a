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
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/revocation/ocsp"
)

// A signer is the delegated responder in use.
type signer struct {
	*ocsp.Signing
	serial ca.Serial
	tail   []byte // how all its responses end: with its certificate
	// checked is one more than the store's revision as of which this certificate is
	// known not to be revoked; 0 for none.
	checked atomic.Uint64
}

func newSigner(s ocsp.Signer) (*signer, error) {
	signing, err := ocsp.NewSigning(s)
	if err != nil {
		return nil, err
	}
	serial, _ := ca.SerialOf(s.Certificate.SerialNumber) // one that is none of ours was never revoked by us
	return &signer{Signing: signing, serial: serial, tail: s.Certificate.Raw}, nil
}

// renewals renews the delegated signer before it ends, and when it is revoked,
// until ctx ends.
func (r *Responder) renewals(ctx context.Context) error {
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
		case <-r.dismissed:
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

// renew has a certificate issued for the signer's key: only a certificate need be
// on disk then for the next start to go on with it. Where there is no signer, and after one
// was revoked, it is for a fresh P-256 key, which never leaves memory.
func (r *Responder) renew(ctx context.Context) error {
	if r.issue == nil {
		return errors.New("nothing is configured that issues one")
	}
	old := r.signer.Load()
	key, err := keyAfter(old)
	if err != nil {
		return fmt.Errorf("making an OCSP signer's key: %w", err)
	}
	cert, err := r.issue(ctx, key.Public())
	if err != nil {
		return fmt.Errorf("issuing an OCSP signer: %w", err)
	}
	if pub, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(key.Public()) {
		return errors.New("issuing an OCSP signer: the certificate is for another key")
	}
	next, err := newSigner(ocsp.Signer{Certificate: cert, Key: key})
	if err != nil {
		return err
	}
	if !r.signer.CompareAndSwap(old, next) {
		return errors.New("the OCSP signer was revoked while it was renewed: another one follows, with another key")
	}
	r.logger.Info("the OCSP signer is renewed", "serial", fmt.Sprintf("%x", cert.SerialNumber), "not_after", cert.NotAfter)
	return nil
}

// keyAfter is the key of old's successor; old is nil for none.
func keyAfter(old *signer) (crypto.Signer, error) {
	if old != nil {
		return old.Key, nil
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// signerFor is the signer, if its certificate is valid at now and not revoked as of
// that revision of the store; nil for none.
func (r *Responder) signerFor(ctx context.Context, revision uint64, now time.Time) (*signer, error) {
	s := r.validSigner(now)
	if s == nil || s.checked.Load() > revision {
		return s, nil
	}
	cert, err := r.store.Certificate(ctx, r.issuer.ID(), s.serial)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return nil, fmt.Errorf("reading the status of the OCSP signer: %w", err)
	case cert.Revoked():
		r.dismiss(s)
		return nil, nil
	}
	s.checked.Store(revision + 1)
	return s, nil
}

// dismiss ends the use of a signer that was revoked, with all that it has signed.
func (r *Responder) dismiss(s *signer) {
	if !r.signer.CompareAndSwap(s, nil) {
		return
	}
	r.logger.Warn("the OCSP signer is revoked: it signs no more, and another one will be issued", "serial", s.serial)
	r.answers.clear()
	select {
	case r.dismissed <- struct{}{}:
	default:
	}
}

// validSigner is the signer if its certificate is valid at now.
func (r *Responder) validSigner(now time.Time) *signer {
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
