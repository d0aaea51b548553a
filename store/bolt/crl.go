package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"signet/ca"
	"signet/revocation"
)

// Revoked implements [revocation.Store].
func (s *Store) Revoked(ctx context.Context, issuer string, yield func(revocation.Entry) bool) error {
	return s.view(ctx, func(t *tx) error {
		crl, err := t.crl(issuer)
		if err != nil {
			return err
		}
		prefix := textKey(issuer)
		n := 0
		for k, v := range pairs(t.Bucket(bucketRevoked).Cursor(), prefix) {
			if n++; n%revokedPerPage == 0 {
				if err := s.turnPages(ctx, t, 1); err != nil {
					return err
				}
			}
			r, ok := parseRevoked(v)
			var serial ca.Serial
			if !ok || copy(serial[:], k[len(prefix):]) != len(serial) {
				return fmt.Errorf("%w: revocation", ErrCorrupt)
			}
			if crl.carries(r) && !yield(revocation.Entry{Serial: serial, At: r.at(), Reason: r.reason}) {
				return nil
			}
		}
		return nil
	})
}

// revokedPerPage is how many records of bucketRevoked are on a page, at least.
const revokedPerPage = 16

// A crlState is what is known of an issuer's CRLs.
type crlState struct {
	number uint64 // the last one given out
	made   int64  // the latest thisUpdate, in seconds since 1970
}

// recordingTime bounds how long after its time a revocation gets on disk. One that
// is younger than that may not have been on the CRL made then.
const recordingTime = 60 // seconds

// carries reports whether the next CRL has r on it. RFC 5280, Section 3.3: an entry must
// not be removed "until it appears on one regularly scheduled CRL issued
// beyond the revoked certificate's validity period".
func (c crlState) carries(r revoked) bool {
	return c.made <= r.until || c.made < r.since+recordingTime
}

// NextCRLNumber implements [revocation.Store]. The number is never less than the
// seconds since 1970: with that, it also grows when the store was
// replaced by an older copy of itself.
func (s *Store) NextCRLNumber(ctx context.Context, issuer string) (number uint64, err error) {
	err = s.update(ctx, func(t *tx) error {
		crl, err := t.crl(issuer)
		if err != nil {
			return err
		}
		crl.number = max(crl.number+1, uint64(max(s.now().Unix(), 0)))
		number = crl.number
		return t.setCRL(issuer, crl)
	})
	if err != nil {
		return 0, err
	}
	return number, nil
}

// CRLMade implements [revocation.Store].
func (s *Store) CRLMade(ctx context.Context, issuer string, thisUpdate time.Time) error {
	return s.update(ctx, func(t *tx) error {
		crl, err := t.crl(issuer)
		if err != nil || crl.made >= thisUpdate.Unix() {
			return err
		}
		crl.made = thisUpdate.Unix()
		return t.setCRL(issuer, crl)
	})
}

func (t *tx) crl(issuer string) (crlState, error) {
	v := t.get(bucketCRLs, []byte(issuer))
	if v == nil {
		return crlState{made: math.MinInt64}, nil
	}
	if len(v) != 17 || v[0] != recordVersion {
		return crlState{}, fmt.Errorf("%w: CRL of issuer %s", ErrCorrupt, issuer)
	}
	return crlState{
		number: binary.BigEndian.Uint64(v[1:]),
		made:   int64(binary.BigEndian.Uint64(v[9:])),
	}, nil
}

func (t *tx) setCRL(issuer string, c crlState) error {
	v := binary.BigEndian.AppendUint64([]byte{recordVersion}, c.number)
	return t.put(bucketCRLs, []byte(issuer), binary.BigEndian.AppendUint64(v, uint64(c.made)))
}
