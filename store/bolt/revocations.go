package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// Revoke implements [revocation.Store].
func (s *Store) Revoke(ctx context.Context, issuer string, serial ca.Serial, what ca.Revocation, e audit.Event) error {
	event, err := eventOf(e)
	if err != nil {
		return err
	}
	return s.revoking(ctx, issuer, func(r *revoking) error {
		_, err := r.revoke(serial, what, event)
		return err
	})
}

// Release implements [revocation.Store].
func (s *Store) Release(ctx context.Context, issuer string, serial ca.Serial, e audit.Event) error {
	event, err := eventOf(e)
	if err != nil {
		return err
	}
	return s.revoking(ctx, issuer, func(r *revoking) error { return r.release(serial, event) })
}

// revoking has do run as one write.
func (s *Store) revoking(ctx context.Context, issuer string, do func(*revoking) error) error {
	return s.update(ctx, func(t *tx) error {
		r, err := s.newRevoking(t, issuer)
		if err != nil {
			return err
		}
		if err := do(r); err != nil {
			return err
		}
		return r.finish()
	})
}

// revocation returns what became of the certificate; nil while it stands.
func (t *tx) revocation(issuer string, serial ca.Serial) (*ca.Revocation, error) {
	r, found, err := t.revoked(issuer, serial)
	if err != nil || !found {
		return nil, err
	}
	return &ca.Revocation{At: r.at(), Reason: r.reason, By: string(r.by)}, nil
}

// revoked is the record of what became of the certificate, in place; found is false while
// it stands.
func (t *tx) revoked(issuer string, serial ca.Serial) (r revoked, found bool, err error) {
	v := t.get(bucketRevoked, revokedKey(issuer, serial))
	c, fresh, err := t.fresh(issuer, serial)
	if err != nil {
		return r, false, err
	}
	if fresh {
		v = c.record
	}
	if v == nil {
		return r, false, nil
	}
	r, ok := parseRevoked(v)
	if !ok {
		return r, false, fmt.Errorf("%w: revocation", ErrCorrupt)
	}
	return r, true, nil
}

// revokedKey is issuer NUL serial: a CRL is in the order of its serials.
func revokedKey(issuer string, serial ca.Serial) []byte {
	return append(textKey(issuer), serial[:]...)
}

// A revoked is a revocation's record: its version, the reason, two times in
// seconds since 1970, the partition where there is one, and who did it. It is
// read in place.
type revoked struct {
	reason       ca.Reason
	since, until int64 // revoked at, expires at
	partition    int
	by           []byte
}

const revokedLen = 1 + 1 + 8 + 8

func revocationRecord(r ca.Revocation, notAfter time.Time, partition int) []byte {
	b := make([]byte, 0, revokedLen+2+len(r.By))
	b = append(b, recordVersion, byte(r.Reason))
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(notAfter.Unix()))
	if partition != 0 {
		b[0] = partitionedRecord
		b = binary.BigEndian.AppendUint16(b, uint16(partition))
	}
	return append(b, r.By...)
}

func parseRevoked(v []byte) (r revoked, ok bool) {
	if len(v) < revokedLen || v[0] != recordVersion && v[0] != partitionedRecord {
		return r, false
	}
	r = revoked{
		reason: ca.Reason(v[1]),
		since:  int64(binary.BigEndian.Uint64(v[2:])),
		until:  int64(binary.BigEndian.Uint64(v[10:])),
		by:     v[revokedLen:],
	}
	if v[0] == partitionedRecord {
		if len(r.by) < 2 {
			return r, false
		}
		r.partition, r.by = int(binary.BigEndian.Uint16(r.by)), r.by[2:]
	}
	return r, true
}

func (r revoked) at() time.Time { return time.Unix(r.since, 0).UTC() }

// recordingTime bounds how long after its time a revocation gets on disk. One that
// is younger than that may not have been on the CRL made then.
const recordingTime = 60 // seconds

// leaves is the earliest thisUpdate of a CRL that is the last with r on it. RFC 5280,
// Section 3.3: an entry must not be removed "until it appears on one regularly
// scheduled CRL issued beyond the revoked certificate's validity period".
func (r revoked) leaves() int64 { return max(r.until+1, r.since+recordingTime) }
