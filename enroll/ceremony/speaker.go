package ceremony

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"

	"signet/piv"
)

// SignIn is the slot whose certificate the CA knows the holder of the one in s by: s, or that of
// the certificate that it goes with.
func SignIn(ctx context.Context, card piv.Card, s piv.Slot) (piv.Slot, *x509.Certificate, error) {
	r := &run{Config: Config{Card: card, Slot: s}}
	return r.speaker(ctx)
}

// speaker is the slot whose certificate the CA shall know the holder by: the one in question, or
// where that is good for no sign-in, the first on the card that is, of the same issuer.
func (r *run) speaker(ctx context.Context) (piv.Slot, *x509.Certificate, error) {
	var own *x509.Certificate
	if r.Slot != 0 {
		var err error
		if own, err = r.matching(ctx, r.Slot); err == nil && SignsIn(own) {
			return r.Slot, own, nil
		}
		if err != nil && (own == nil || SignsIn(own)) {
			return 0, nil, err
		}
	}
	for _, s := range piv.Slots() {
		cert, err := r.matching(ctx, s)
		switch {
		case gone(err):
			return 0, nil, err
		case err != nil || !SignsIn(cert) || own != nil && !bytes.Equal(cert.RawIssuer, own.RawIssuer):
			continue
		}
		return s, cert, nil
	}
	if own == nil {
		return 0, nil, ErrNoCertificate
	}
	return 0, nil, fmt.Errorf("slot %s: %w", r.Slot, ErrNoSignIn)
}

// SignsIn reports whether TLS takes the certificate of a client (RFC 5280, Sections 4.2.1.3
// and 4.2.1.12).
func SignsIn(cert *x509.Certificate) bool {
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return false
	}
	return len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 ||
		slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}
