package bolt

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"signet/ca"
)

// How much of a sweep one transaction does: others wait for it.
const (
	sweepSteps    = 4096 // expired certificates looked at
	sweepRemovals = 512  // entries removed; each rewrites a block
	sweepChanges  = 4096 // changes forgotten
)

// CRLMade implements [revocation.Store].
func (s *Store) CRLMade(ctx context.Context, issuer string, thisUpdate time.Time, base uint64) error {
	for done := false; !done; {
		err := s.update(ctx, func(t *tx) (err error) {
			done, err = s.sweep(t, issuer, thisUpdate.Unix(), base)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep does a part of CRLMade, and reports whether it was the last.
func (s *Store) sweep(t *tx, issuer string, made int64, base uint64) (done bool, err error) {
	crl, err := t.crl(issuer)
	if err != nil {
		return false, err
	}
	if crl.made < made {
		crl.made = made
		if err := t.setCRL(issuer, crl); err != nil {
			return false, err
		}
	}
	r, err := s.newRevoking(t, issuer)
	if err != nil {
		return false, err
	}
	w := &sweeping{revoking: r, made: crl.made, left: sweepRemovals}
	expired, err := w.expired()
	if err != nil {
		return false, err
	}
	late, err := w.late()
	if err != nil {
		return false, err
	}
	forgotten, err := r.forgetChanges(base, sweepChanges)
	if err != nil {
		return false, err
	}
	return expired && late && forgotten, r.finish()
}

// A sweeping takes off the CRL what leaves it.
type sweeping struct {
	*revoking
	made int64
	left int // how many it may still remove
}

// remove takes the entry off; not the record of what became of the certificate.
func (w *sweeping) remove(serial ca.Serial, partition int) {
	w.left--
	w.removed = append(w.removed, loggedChange{serial, partition})
}

// expired goes on from where the last sweep of bucketExpiry ended, to those that
// had not expired when the CRL was made.
func (w *sweeping) expired() (done bool, err error) {
	end := timeKey(time.Unix(w.made, 0))
	c := w.t.Bucket(bucketExpiry).Cursor()
	k, _ := c.Seek(w.state.swept)
	if bytes.Equal(k, w.state.swept) {
		k, _ = c.Next()
	}
	for range sweepSteps {
		if k == nil || bytes.Compare(k, end) >= 0 {
			if bytes.Compare(w.state.swept, end) < 0 {
				w.state.swept = end
			}
			return true, nil
		}
		if w.left == 0 {
			return false, nil
		}
		if err := w.pass(k); err != nil {
			return false, err
		}
		w.state.swept = bytes.Clone(k)
		k, _ = c.Next()
	}
	return false, nil
}

// pass removes the certificate with that key in bucketExpiry, or puts it into
// bucketLate where it is to stay for another CRL.
func (w *sweeping) pass(key []byte) error {
	if len(key) < 8 {
		return fmt.Errorf("%w: a certificate's expiry", ErrCorrupt)
	}
	issuer, serial, err := parseCertKey(key[8:])
	if err != nil || issuer != w.issuer {
		return err
	}
	r, found, err := w.t.revoked(issuer, serial)
	if err != nil || !found {
		return err
	}
	if leaves := r.leaves(); leaves > w.made {
		return w.t.put(bucketLate, lateKey(issuer, leaves, serial), partitionRecord(r.partition))
	}
	w.remove(serial, r.partition)
	return nil
}

// late removes those of bucketLate whose time has come.
func (w *sweeping) late() (done bool, err error) {
	prefix := textKey(w.issuer)
	end := lateKey(w.issuer, w.made+1, ca.Serial{})
	var keys [][]byte
	done = true
	for k, v := range pairs(w.t.Bucket(bucketLate).Cursor(), prefix) {
		if bytes.Compare(k, end) >= 0 {
			break
		}
		if done = w.left > 0; !done {
			break
		}
		partition, err := parsePartition(v)
		if err != nil || len(k) != len(end) {
			return false, fmt.Errorf("%w: late revocation", ErrCorrupt)
		}
		w.remove(ca.Serial(k[len(prefix)+8:]), partition)
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := w.t.delete(bucketLate, k); err != nil {
			return false, err
		}
	}
	return done, nil
}
