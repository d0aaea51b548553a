package ceremony

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"signet/ca"
	"signet/enroll"
	"signet/piv"
)

// known verifies the PIN and connects as the holder of the certificate in the
// slot, or of the one that it goes with, and finds that one's profile.
func (r *run) known(ctx context.Context) error {
	by, cert, err := r.speaker(ctx)
	if errors.As(err, new(*MismatchError)) {
		return fmt.Errorf("%w: %w", ErrNotRenewable, err)
	}
	if err != nil {
		return err
	}
	if err := r.enter(ctx); err != nil {
		return err
	}
	if err := r.connect(ctx, by, cert); err != nil {
		return err
	}
	r.entry.By = by
	r.catchUp(ctx, r.ca.(Renewer))
	if r.entry.Replaces, err = r.replacing(ctx); err != nil || r.Profile != "" {
		return err
	}
	record, err := r.record(ctx, cert)
	if err != nil {
		return fmt.Errorf("asking about the certificate in force: %w", err)
	}
	r.profile = record.Profile
	return nil
}

// replacing is the key whose certificate is in the slot, as SubjectPublicKeyInfo; nil
// where there is none.
func (r *run) replacing(ctx context.Context) ([]byte, error) {
	cert, err := r.Card.Certificate(ctx, r.Slot)
	if errors.Is(err, piv.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return cert.RawSubjectPublicKeyInfo, nil
}

// record is what the CA knows of a certificate.
func (r *run) record(ctx context.Context, cert *x509.Certificate) (*enroll.Record, error) {
	serial, ok := ca.SerialOf(cert.SerialNumber)
	if !ok {
		return nil, &MismatchError{"the certificate in the slot is not of this CA"}
	}
	return r.ca.(Renewer).Certificate(ctx, serial)
}

// matching is the slot's certificate, if it is the slot's key's; *[MismatchError] beside it if
// it isn't.
func (r *run) matching(ctx context.Context, s piv.Slot) (*x509.Certificate, error) {
	cert, err := r.Card.Certificate(ctx, s)
	if errors.Is(err, piv.ErrEmpty) {
		return nil, ErrNoCertificate
	}
	if err != nil {
		return nil, err
	}
	spki, err := r.inSlot(ctx, s)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(spki, cert.RawSubjectPublicKeyInfo) {
		return cert, &MismatchError{fmt.Sprintf("the certificate in slot %s is not of the key in it", s)}
	}
	return cert, nil
}

// connect asks as the holder of cert, in slot s: the card signs the TLS handshake.
func (r *run) connect(ctx context.Context, s piv.Slot, cert *x509.Certificate) error {
	signer, err := r.signer(ctx, s)
	if err != nil {
		return err
	}
	r.asHeld, r.heldIn, r.renewing = cert, s, true
	r.ca = r.Holder(tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: signer, Leaf: cert})
	return nil
}

// reconnect has the card sign by its new PIN where the CA knows the holder by it: the one before
// was the factory's.
func (r *run) reconnect(ctx context.Context) error {
	if !r.isNew || r.asHeld == nil {
		return nil
	}
	return r.connect(ctx, r.heldIn, r.asHeld)
}
