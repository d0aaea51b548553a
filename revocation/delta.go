package revocation

import (
	"context"
	"errors"
	"fmt"

	"signet/ca"
	"signet/revocation/crl"
)

// maxDelta is how many entries the deltas may have together: more take as long to
// fetch as a CRL, and they are made in memory. Then all CRLs are made anew.
const maxDelta = 100_000

// An encodedDelta is the entries of one scope's delta.
type encodedDelta struct {
	der     []byte
	entries int
}

// makeDeltas makes the delta of each CRL of the round: what has changed since
// the round that made all of them (RFC 5280, Section 5.2.4).
func (r *round) makeDeltas(ctx context.Context) error {
	if r.deltaOf() == "" {
		for _, s := range r.scopes {
			if s.delta.Load() != nil {
				r.putOut(&s.delta, nil)
			}
		}
		return nil
	}
	deltas, revision, err := r.changes(ctx)
	if errors.Is(err, ErrRevision) || errors.Is(err, errDeltaTooLong) {
		// The CRLs are out, and say it all; the next round makes all of them, and the
		// deltas are to those.
		r.remakeAll()
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what has changed: %w", err)
	}
	later := uint64(0)
	for _, s := range r.scopes {
		if !r.due(s) {
			continue
		}
		// RFC 5280, Section 5.2.3: with a CRL's number, the delta must say the same. Where
		// something was revoked after the CRL was read, the delta is the newer one.
		number := r.number
		if r.made[s.Number] != revision {
			if later == 0 {
				if later, err = r.nextNumber(ctx); err != nil {
					return err
				}
			}
			number = later
		}
		h, d := r.head(s, number), deltas[s.Number]
		h.Base = r.base.number
		list, err := r.make(ctx, s, h, s.delta.Load(), crl.Encoded(d.der, d.entries))
		if err != nil {
			return err
		}
		r.putOut(&s.delta, list)
	}
	return nil
}

var errDeltaTooLong = errors.New("a delta would be too long")

// changes reads what has changed since the baseline, by partition.
func (r *round) changes(ctx context.Context) (map[int]encodedDelta, uint64, error) {
	deltas, n := map[int]encodedDelta{}, 0
	var bad error
	revision, err := r.store.Changed(ctx, r.issuer.ID(), r.base.revision, func(e Entry) bool {
		if n++; n > maxDelta {
			bad = errDeltaTooLong
			return false
		}
		for _, partition := range covering(e.Partition) {
			d := deltas[partition]
			if d.der, bad = r.appendChange(d.der, e); bad != nil {
				return false
			}
			d.entries++
			deltas[partition] = d
		}
		return true
	})
	return deltas, revision, errors.Join(err, bad)
}

// covering are the scopes that cover certificates of that partition.
func covering(partition int) []int {
	if partition == 0 {
		return []int{0}
	}
	return []int{0, partition}
}

func (r *round) appendChange(dst []byte, e Entry) ([]byte, error) {
	if e.Reason == ca.RemoveFromCRL {
		return crl.AppendRemoval(dst, e.Serial, r.now)
	}
	return crl.AppendEntry(dst, e.line())
}
