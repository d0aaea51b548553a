package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
)

// Revoke implements [revocation.Store].
func (s *Store) Revoke(ctx context.Context, issuer string, serial ca.Serial, r ca.Revocation, e audit.Event) error {
	event, err := newEvent(e)
	if err != nil {
		return err
	}
	key := certKey(issuer, serial)
	return s.update(ctx, func(t *tx) error {
		c, err := t.certificate(key)
		switch {
		case err != nil:
			return err
		case c.Revocation == nil: // it stands: revoke it
		case c.Revocation.Reason != ca.CertificateHold:
			return revocation.ErrAlreadyRevoked
		case r.Reason == ca.CertificateHold:
			return nil // held already
		}
		if r.Reason == ca.KeyCompromise {
			if err := t.blockKey(c); err != nil {
				return err
			}
		}
		record := revocationRecord(r, c.NotAfter)
		return errors.Join(t.put(bucketRevoked, revokedKey(issuer, serial), record), t.log(event))
	})
}

// Release implements [revocation.Store].
func (s *Store) Release(ctx context.Context, issuer string, serial ca.Serial, e audit.Event) error {
	event, err := newEvent(e)
	if err != nil {
		return err
	}
	return s.update(ctx, func(t *tx) error {
		if !t.has(bucketCerts, certKey(issuer, serial)) {
			return revocation.ErrNotFound
		}
		r, err := t.revocation(issuer, serial)
		if err != nil {
			return err
		}
		if r == nil || r.Reason != ca.CertificateHold {
			return revocation.ErrNotOnHold
		}
		return errors.Join(t.delete(bucketRevoked, revokedKey(issuer, serial)), t.log(event))
	})
}

// revocation returns what became of the certificate; nil while it stands.
func (t *tx) revocation(issuer string, serial ca.Serial) (*ca.Revocation, error) {
	v := t.get(bucketRevoked, revokedKey(issuer, serial))
	if v == nil {
		return nil, nil
	}
	r, ok := parseRevoked(v)
	if !ok {
		return nil, fmt.Errorf("%w: revocation", ErrCorrupt)
	}
	return &ca.Revocation{At: r.at(), Reason: r.reason, By: string(v[revokedLen:])}, nil
}

// revokedKey is issuer NUL serial: a CRL is in the order of its serials.
func revokedKey(issuer string, serial ca.Serial) []byte {
	return append(textKey(issuer), serial[:]...)
}

// A revoked is the part of a revocation's record that a CRL needs: the record's
// version, the reason, and two times in seconds since 1970. It is read in
// place, since a CRL reads a million of them. Behind it is who did it.
type revoked struct {
	reason       ca.Reason
	since, until int64 // revoked at, expires at
}

const revokedLen = 1 + 1 + 8 + 8

func revocationRecord(r ca.Revocation, notAfter time.Time) []byte {
	b := make([]byte, 0, revokedLen+len(r.By))
	b = append(b, recordVersion, byte(r.Reason))
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(notAfter.Unix()))
	return append(b, r.By...)
}

func parseRevoked(v []byte) (r revoked, ok bool) {
	if len(v) < revokedLen || v[0] != recordVersion {
		return r, false
	}
	return revoked{
		reason: ca.Reason(v[1]),
		since:  int64(binary.BigEndian.Uint64(v[2:])),
		until:  int64(binary.BigEndian.Uint64(v[10:])),
	}, true
}

func (r revoked) at() time.Time { return time.Unix(r.since, 0).UTC() }
