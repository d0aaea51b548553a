package revocation

import (
	"context"
	"errors"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// What a [Store] answers beside success.
var (
	ErrNotFound       = errors.New("no such certificate")
	ErrAlreadyRevoked = errors.New("revoked already")
	ErrNotOnHold      = errors.New("not on hold")
)

// A Store keeps issued certificates and what became of them. Every method is
// one atomic step, durable when it returns nil, and safe for concurrent use.
type Store interface {
	// Certificate returns the certificate that issuer gave that serial, or ErrNotFound.
	Certificate(ctx context.Context, issuer string, serial ca.Serial) (ca.Certificate, error)
	// Certificates calls yield with each certificate that the filter lets
	// through, by issuer and then always in the same order (of serial or of
	// issue, as the engine has it), until yield returns false. It reads one
	// consistent state and may be slow: not for a request's path. Here and below,
	// yield must not call the store.
	Certificates(ctx context.Context, f Filter, yield func(ca.Certificate) bool) error
	// Revoke marks the certificate. One on hold may be revoked for good, with
	// r's time, or held again with no effect and no event; ErrAlreadyRevoked for
	// one revoked for good, which keeps its first reason and time. ErrNotFound
	// for what was never issued. It is called within a minute of r.At.
	// Reason keyCompromise also blocks the key: no certificate is recorded for it
	// from then on.
	Revoke(ctx context.Context, issuer string, serial ca.Serial, r ca.Revocation, e audit.Event) error
	// Release takes the hold off: ErrNotOnHold where there is none, ErrNotFound
	// for what was never issued.
	Release(ctx context.Context, issuer string, serial ca.Serial, e audit.Event) error

	// Revoked calls yield with each of issuer's certificates that are revoked or on
	// hold and belong on a CRL, by serial: those that have not expired, and
	// those that no CRL made after their expiry has carried yet
	// (RFC 5280, Section 3.3). It reads one consistent state.
	Revoked(ctx context.Context, issuer string, yield func(Entry) bool) error
	// NextCRLNumber returns a number greater than any it has returned for
	// issuer, on disk before it returns. It also grows when the store has been
	// replaced by an older copy of itself: it is at least the seconds since 1970.
	NextCRLNumber(ctx context.Context, issuer string) (uint64, error)
	// CRLMade records that a CRL with entries as of thisUpdate is out: entries
	// that had expired by then, and had been revoked a minute before it, have
	// appeared once more and leave. An earlier time than the last changes nothing.
	CRLMade(ctx context.Context, issuer string, thisUpdate time.Time) error
}

// An Entry is one line of a CRL.
type Entry struct {
	Serial ca.Serial
	At     time.Time
	Reason ca.Reason
}

// A Filter chooses certificates for which all its fields hold; its zero value
// lets all through.
type Filter struct {
	Account       string
	Issuer        string
	CardSerial    uint32
	ExpiresBefore time.Time // NotAfter is before it
	Revoked       *bool     // revoked or on hold
	Leaf          bool      // only those issued to an account
}
