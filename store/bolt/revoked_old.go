package bolt

import (
	"context"
	"fmt"

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
			if n++; n%16 == 0 {
				if err := s.turnPages(ctx, t, 1); err != nil {
					return err
				}
			}
			r, ok := parseRevoked(v)
			var serial ca.Serial
			if !ok || copy(serial[:], k[len(prefix):]) != len(serial) {
				return fmt.Errorf("%w: revocation", ErrCorrupt)
			}
			if r.leaves() > crl.made && !yield(revocation.Entry{Serial: serial, At: r.at(), Reason: r.reason, Partition: r.partition}) {
				return nil
			}
		}
		return nil
	})
}
