package revocation

import (
	"context"
	"errors"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation/crl"
)

// What a [Store] answers beside success.
var (
	ErrNotFound       = errors.New("no such certificate")
	ErrAlreadyRevoked = errors.New("revoked already")
	ErrNotOnHold      = errors.New("not on hold")
	// ErrRevision is a revision that the store knows no changes since: they are
	// forgotten, or it has not come that far (it is an older copy of itself).
	ErrRevision = errors.New("what changed since that revision is not known any more")
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
	// Newest calls yield with the serial number and the end of each certificate of
	// the issuer that was issued before that one, the last issued first, until
	// yield returns false; the zero serial begins with the last of all. The order may
	// be off by those that were issued at the same time. It reads one consistent
	// state, and costs no more than what it yields.
	Newest(ctx context.Context, issuer string, before ca.Serial, yield func(serial ca.Serial, notAfter time.Time) bool) error
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
	// RevokeAll does what Revoke does to each of serials, in few transactions of
	// bounded size, each of which is a step of its own. event makes the log entry
	// of a certificate that is about to change; it may be called more than once,
	// and must call nothing of the store. did is called once for each serial, by
	// serial and one that is given twice once, when what became of it is on disk:
	// changed where it was revoked or held now, err for what Revoke would have
	// failed with. RevokeAll itself fails where the store does, or ctx ends; what
	// did has heard of by then is done. It is called within a minute of r.At, for
	// at most so many serials as that leaves time for.
	RevokeAll(ctx context.Context, issuer string, serials []ca.Serial, r ca.Revocation,
		event func(ca.Certificate) audit.Event, did func(serial ca.Serial, changed bool, err error)) error
	// ReleaseAll does what Release does to each of serials, as RevokeAll does.
	ReleaseAll(ctx context.Context, issuer string, serials []ca.Serial,
		event func(ca.Certificate) audit.Event, did func(serial ca.Serial, changed bool, err error)) error

	// RevokedEntries reads what belongs on the scope's CRL from one consistent
	// state: each certificate that is revoked or on hold, until it has expired and
	// a CRL made after that has carried it (RFC 5280, Section 3.3). It calls begin
	// once, then yield with the DER of whole, consecutive elements of
	// revokedCertificates as crl.AppendEntry made them when they were revoked, in
	// chunks of any size, by partition and serial, until all are out; together as
	// many and as long as begin was told. An error of either ends it and is
	// returned. der is valid only during the call. It costs reading, no encoding,
	// and no memory to speak of. Neither may write to the store.
	RevokedEntries(ctx context.Context, scope Scope, begin func(Snapshot) error, yield func(der []byte) error) error
	// Changed calls yield with each of issuer's certificates whose revocation has
	// changed after that revision, as it stands now, by serial and each once, until
	// yield returns false: with reason removeFromCRL and the time zero where it is not
	// revoked any more. One that left the CRL since it had expired has not changed.
	// It returns the revision that it read, and ErrRevision where it can't know.
	Changed(ctx context.Context, issuer string, since uint64, yield func(Entry) bool) (uint64, error)
	// Revision is the revision of issuer's revocations that is on disk now: never
	// less than that of a change which was answered, never more than what a
	// reading that begins now sees. It is cheap enough for each OCSP answer.
	Revision(ctx context.Context, issuer string) (uint64, error)

	// Partitions are the issuer's, by number.
	Partitions(ctx context.Context, issuer string) ([]Partition, error)
	// AddPartition adds one with the next number, or returns the one that has that
	// URL already.
	AddPartition(ctx context.Context, issuer, url string) (Partition, error)

	// NextCRLNumber returns a number greater than above and than any it has returned
	// for issuer, on disk before it returns, and the last one before; 0 for none. It
	// also grows when the store has been replaced by an older copy of itself: it is
	// at least the milliseconds since 1970.
	NextCRLNumber(ctx context.Context, issuer string, above uint64) (number, last uint64, err error)
	// CRLMade records that the CRLs of every scope of issuer with entries as of
	// thisUpdate are out: entries that had expired by then, and had been revoked a
	// minute before it, have appeared once more and leave. An earlier time than
	// the last counts as the last. What became of those certificates is kept. Changes up to
	// the revision base are forgotten: the CRL that deltas are to now has them. It
	// works in transactions of bounded size; where it fails, the next call goes on.
	CRLMade(ctx context.Context, issuer string, thisUpdate time.Time, base uint64) error
}

// An Entry is one line of a CRL.
type Entry struct {
	Serial ca.Serial
	At     time.Time
	Reason ca.Reason
	// Partition is the certificate's.
	Partition int
}

// line is e as package crl writes it.
func (e Entry) line() crl.Entry { return crl.Entry{Serial: e.Serial, At: e.At, Reason: e.Reason} }

// A Scope is what one CRL covers: all certificates of an issuer, those of its
// partitions too, where Partition is 0; else those of that partition.
type Scope struct {
	Issuer    string
	Partition int
}

// A Snapshot describes the state that a reading of revoked certificates saw.
type Snapshot struct {
	// Revision grows with each change of the issuer's revocations: a certificate
	// revoked, held, released, or gone from the CRL. It is 0 before the first.
	Revision uint64
	Entries  int
	Octets   int64 // of all entries' DER together
}

// A Partition is [ca.Partition].
type Partition = ca.Partition

// A Filter chooses certificates for which all its fields hold; its zero value
// lets all through.
type Filter struct {
	Account       string
	Issuer        string
	CardSerial    uint32
	Profile       string
	ExpiresBefore time.Time // NotAfter is before it
	Revoked       *bool     // revoked or on hold
	Leaf          bool      // only those issued to an account
}
