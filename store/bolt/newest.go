package bolt

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"signet/ca"
)

// Newest implements [revocation.Store]. Keys are in the order of issue: see certKey.
func (s *Store) Newest(ctx context.Context, issuer string, before ca.Serial, yield func(ca.Serial, time.Time) bool) error {
	prefix := textKey(issuer)
	return s.view(ctx, func(t *tx) error {
		c := t.Bucket(bucketCerts).Cursor()
		end := append(bytes.Clone(prefix[:len(prefix)-1]), 1) // what sorts right behind all keys with the prefix
		if before != (ca.Serial{}) {
			end = certKey(issuer, before)
		}
		k, v := c.Seek(end)
		if k == nil {
			k, v = c.Last()
		} else {
			k, v = c.Prev()
		}
		for ; k != nil && bytes.HasPrefix(k, prefix); k, v = c.Prev() {
			if err := s.turnPages(ctx, t, pagesPerCertificate); err != nil {
				return err
			}
			_, serial, err := parseCertKey(k)
			if err != nil {
				return err
			}
			notAfter, err := endOf(v)
			if err != nil {
				return err
			}
			if !yield(serial, notAfter) {
				return nil
			}
		}
		return nil
	})
}

// endOf reads no more of a certificate's record than its end.
func endOf(record []byte) (time.Time, error) {
	r := newReading(record, partitionedRecord)
	r.time() // IssuedAt
	r.time() // NotBefore
	end := r.time()
	if r.bad {
		return end, fmt.Errorf("%w: certificate", ErrCorrupt)
	}
	return end, nil
}
