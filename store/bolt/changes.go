package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"signet/ca"
	"signet/revocation"
)

// maxChanges bounds how many changes are kept, and with it the memory of a reading of
// them: a delta CRL with more would be no smaller than what it spares.
const maxChanges = 100_000

// changeKey is issuer NUL revision serial.
func changeKey(issuer string, revision uint64, serial ca.Serial) []byte {
	return append(binary.BigEndian.AppendUint64(textKey(issuer), revision), serial[:]...)
}

// Changed implements [revocation.Store].
func (s *Store) Changed(ctx context.Context, issuer string, since uint64, yield func(revocation.Entry) bool) (revision uint64, err error) {
	err = s.view(ctx, func(t *tx) error {
		state, err := t.revState(issuer)
		if err != nil {
			return err
		}
		if since < state.forgotten || since > state.revision {
			return fmt.Errorf("%w: %d, where %d to %d are", revocation.ErrRevision, since, state.forgotten, state.revision)
		}
		revision = state.revision
		changed, err := t.changedSince(issuer, since)
		if err != nil {
			return err
		}
		for _, c := range changed {
			if err := s.turnPages(ctx, t, 1); err != nil {
				return err
			}
			e, err := t.entryNow(issuer, c)
			if err != nil || !yield(e) {
				return err
			}
		}
		return nil
	})
	return revision, err
}

// changedSince are the certificates with changes after the revision, by serial.
func (t *tx) changedSince(issuer string, since uint64) (changed []loggedChange, err error) {
	prefix := textKey(issuer)
	c := t.Bucket(bucketChanges).Cursor()
	for k, v := c.Seek(changeKey(issuer, since+1, ca.Serial{})); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		_, serial, err := parseChangeKey(k[len(prefix):])
		if err != nil {
			return nil, err
		}
		partition, err := parsePartition(v)
		if err != nil {
			return nil, err
		}
		changed = append(changed, loggedChange{serial, partition})
	}
	slices.SortFunc(changed, func(a, b loggedChange) int { return bytes.Compare(a.serial[:], b.serial[:]) })
	return slices.Compact(changed), nil
}

// parseChangeKey reads what follows the issuer in a key of bucketChanges.
func parseChangeKey(k []byte) (revision uint64, serial ca.Serial, err error) {
	if len(k) != 8+len(serial) {
		return 0, serial, fmt.Errorf("%w: change of a revocation", ErrCorrupt)
	}
	return binary.BigEndian.Uint64(k), ca.Serial(k[8:]), nil
}

// entryNow is what has become of the certificate.
func (t *tx) entryNow(issuer string, c loggedChange) (revocation.Entry, error) {
	e := revocation.Entry{Serial: c.serial, Reason: ca.RemoveFromCRL, Partition: c.partition, At: time.Time{}}
	now, err := t.revocation(issuer, c.serial)
	if err == nil && now != nil {
		e.At, e.Reason = now.At, now.Reason
	}
	return e, err
}

// logChanges writes what r has changed, and forgets as much where that is too much.
func (r *revoking) logChanges() error {
	for _, c := range r.made {
		err := r.t.put(bucketChanges, changeKey(r.issuer, r.state.revision, c.serial), partitionRecord(c.partition))
		if err != nil {
			return err
		}
	}
	r.state.changes += uint64(len(r.made))
	if r.state.changes <= maxChanges {
		return nil
	}
	_, err := r.forgetChanges(r.state.revision-1, int(r.state.changes-maxChanges))
	return err
}

// forgetChanges forgets at most limit changes up to that revision, the oldest first, and
// reports whether these were all.
func (r *revoking) forgetChanges(upTo uint64, limit int) (all bool, err error) {
	prefix := textKey(r.issuer)
	var keys [][]byte
	all = true
	for k := range pairs(r.t.Bucket(bucketChanges).Cursor(), prefix) {
		revision, _, err := parseChangeKey(k[len(prefix):])
		if err != nil {
			return false, err
		}
		if revision > upTo {
			break
		}
		if len(keys) == limit {
			all = false
			break
		}
		keys = append(keys, bytes.Clone(k))
		r.state.forgotten = max(r.state.forgotten, revision)
	}
	for _, k := range keys {
		if err := r.t.delete(bucketChanges, k); err != nil {
			return false, err
		}
	}
	r.state.changes -= uint64(len(keys))
	if all {
		r.state.forgotten = max(r.state.forgotten, min(upTo, r.state.revision))
	}
	return all, nil
}
