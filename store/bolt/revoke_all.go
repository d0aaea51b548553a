package bolt

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
)

// revokedAtOnce bounds how many certificates one transaction revokes: others wait for it.
const revokedAtOnce = 500

// An outcome is what became of one of many.
type outcome struct {
	changed bool
	err     error
}

// RevokeAll implements [revocation.Store]. It goes by serial, so that each block is
// rewritten once or twice, however many of its certificates are revoked.
func (s *Store) RevokeAll(ctx context.Context, issuer string, serials []ca.Serial, what ca.Revocation,
	event func(ca.Certificate) audit.Event, did func(ca.Serial, bool, error),
) error {
	record := recordOf(event)
	return s.each(ctx, issuer, serials, did, func(r *revoking, serial ca.Serial) (bool, error) {
		return r.revoke(serial, what, record)
	})
}

// ReleaseAll implements [revocation.Store].
func (s *Store) ReleaseAll(ctx context.Context, issuer string, serials []ca.Serial,
	event func(ca.Certificate) audit.Event, did func(ca.Serial, bool, error),
) error {
	record := recordOf(event)
	return s.each(ctx, issuer, serials, did, func(r *revoking, serial ca.Serial) (bool, error) {
		err := r.release(serial, record)
		return err == nil, err
	})
}

func recordOf(event func(ca.Certificate) audit.Event) func(ca.Certificate) ([]byte, error) {
	return func(c ca.Certificate) ([]byte, error) { return newEvent(event(c)) }
}

// each does one thing to each of the serials, so many in a transaction.
func (s *Store) each(ctx context.Context, issuer string, serials []ca.Serial, did func(ca.Serial, bool, error),
	do func(*revoking, ca.Serial) (bool, error),
) error {
	serials = slices.Clone(serials)
	slices.SortFunc(serials, func(a, b ca.Serial) int { return bytes.Compare(a[:], b[:]) })
	serials = slices.Compact(serials)
	for some := range slices.Chunk(serials, revokedAtOnce) {
		var outcomes []outcome
		err := s.revoking(ctx, issuer, func(r *revoking) (err error) {
			outcomes, err = r.each(some, do)
			return err
		})
		if err != nil {
			return err
		}
		for i, o := range outcomes {
			did(some[i], o.changed, o.err)
		}
	}
	return nil
}

// each fails where the store does; what is refused is an outcome.
func (r *revoking) each(serials []ca.Serial, do func(*revoking, ca.Serial) (bool, error)) ([]outcome, error) {
	outcomes := make([]outcome, 0, len(serials))
	for _, serial := range serials {
		changed, err := do(r, serial)
		if err != nil && !refusal(err) {
			return nil, err
		}
		outcomes = append(outcomes, outcome{changed, err})
		r.store.pages.touched(r.t.Tx, pagesPerWrite)
	}
	return outcomes, nil
}

func refusal(err error) bool {
	return errors.Is(err, revocation.ErrNotFound) || errors.Is(err, revocation.ErrAlreadyRevoked) ||
		errors.Is(err, revocation.ErrNotOnHold)
}
