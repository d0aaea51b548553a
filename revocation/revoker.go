package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// ErrReason is a reason that can't be given to a certificate that way.
var ErrReason = errors.New("not a reason to revoke a certificate with")

// A Revoker takes certificates back. What it did is on disk when it returns; the
// CRL that says so is out right after, and OCSP answers accordingly at once.
type Revoker struct {
	store     Store
	issuer    string
	publisher *Publisher
	responder *Responder
	logger    *slog.Logger
	now       func() time.Time
}

// Revoke revokes the certificate for good, at the word of by (an account's
// name, audit.Operator). It fails with ErrNotFound, ErrAlreadyRevoked, ErrReason
// (certificateHold is [Revoker.Hold]'s).
func (r *Revoker) Revoke(ctx context.Context, serial ca.Serial, reason ca.Reason, by string) (ca.Certificate, error) {
	if !lasting(reason) {
		return ca.Certificate{}, fmt.Errorf("%w: %s", ErrReason, reason)
	}
	defer r.publisher.notify()
	return r.revoke(ctx, serial, reason, by, "certificate.revoke")
}

// Hold takes the certificate back until it is released or revoked for good.
func (r *Revoker) Hold(ctx context.Context, serial ca.Serial, by string) (ca.Certificate, error) {
	defer r.publisher.notify()
	return r.revoke(ctx, serial, ca.CertificateHold, by, "certificate.hold")
}

// Release takes the hold off: ErrNotOnHold where there is none.
func (r *Revoker) Release(ctx context.Context, serial ca.Serial, by string) (ca.Certificate, error) {
	defer r.publisher.notify()
	cert, err := r.store.Certificate(ctx, r.issuer, serial)
	if err != nil {
		return ca.Certificate{}, fmt.Errorf("releasing %s: %w", serial, err)
	}
	e := r.event("certificate.release", cert, by)
	err = r.logged(ctx, e, func() error { return r.store.Release(ctx, r.issuer, serial, e) })
	if err != nil {
		return ca.Certificate{}, fmt.Errorf("releasing %s: %w", serial, err)
	}
	r.responder.notify(serial)
	cert.Revocation = nil
	return cert, nil
}

// Changed hears of certificates that were revoked, held or released on disk by another way
// than the Revoker's: what is kept of them is made anew, and the CRL that says so is
// out right after.
func (r *Revoker) Changed(serials []ca.Serial) {
	if len(serials) == 0 {
		return
	}
	for _, serial := range serials {
		r.responder.notify(serial)
	}
	r.publisher.notify()
}

func (r *Revoker) revoke(ctx context.Context, serial ca.Serial, reason ca.Reason, by, action string) (ca.Certificate, error) {
	cert, err := r.store.Certificate(ctx, r.issuer, serial)
	if err != nil {
		return ca.Certificate{}, fmt.Errorf("revoking %s: %w", serial, err)
	}
	e := r.event(action, cert, by)
	e.Detail["reason"] = reason.String()
	// RFC 5280, Section 5.3.1 and RFC 6960, Section 4.2.1 carry whole seconds.
	what := ca.Revocation{At: e.Time.Truncate(time.Second), Reason: reason, By: by}
	err = r.logged(ctx, e, func() error { return r.store.Revoke(ctx, r.issuer, serial, what, e) })
	if err != nil {
		return ca.Certificate{}, fmt.Errorf("revoking %s: %w", serial, err)
	}
	r.responder.notify(serial)
	cert.Revocation = &what
	return cert, nil
}

// event tells what is about to happen to cert.
func (r *Revoker) event(action string, cert ca.Certificate, by string) audit.Event {
	detail := map[string]string{"issuer": cert.Issuer, "account": cert.Account, "subject": cert.Subject}
	if cert.Card != nil {
		detail["card"] = strconv.FormatUint(uint64(cert.Card.Serial), 10)
	}
	return audit.Event{Time: r.now().UTC(), Actor: by, Action: action, Object: cert.Serial.String(), Detail: detail}
}

// logged writes the audit lines around a change of the store.
func (r *Revoker) logged(ctx context.Context, e audit.Event, change func() error) error {
	audit.Log(ctx, r.logger, "begin", e)
	if err := change(); err != nil {
		audit.Log(ctx, r.logger, "failed", e)
		return err
	}
	audit.Log(ctx, r.logger, "end", e)
	return nil
}

// lasting reports whether a certificate may be revoked for good with reason.
func lasting(reason ca.Reason) bool {
	switch reason {
	case ca.Unspecified, ca.KeyCompromise, ca.CACompromise, ca.AffiliationChanged,
		ca.Superseded, ca.CessationOfOperation, ca.PrivilegeWithdrawn:
		return true
	}
	return false
}
