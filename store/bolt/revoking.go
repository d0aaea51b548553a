package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
	"signet/revocation/crl"
)

// A revoking is a change of an issuer's revocations within one transaction: of one
// certificate or of many. It keeps together what belongs together: the record in
// bucketRevoked, the entry in a block, the change log, the sizes, the revision.
type revoking struct {
	store  *Store
	t      *tx
	issuer string
	state  revState
	before []byte // state's record as it is stored
	// entries are the changes of blocks, by partition, and logged those of the
	// change log: made at the end, when they can be made in order.
	entries map[int][]change
	logged  []loggedChange
}

type loggedChange struct {
	serial    ca.Serial
	partition int
}

func (s *Store) newRevoking(t *tx, issuer string) (*revoking, error) {
	state, err := t.revState(issuer)
	return &revoking{store: s, t: t, issuer: issuer, state: state, before: state.record(), entries: map[int][]change{}}, err
}

// revoke does to one certificate what [revocation.Store]'s Revoke says. It changes nothing
// where it fails, unless the store does.
func (r *revoking) revoke(serial ca.Serial, what ca.Revocation, event func(ca.Certificate) ([]byte, error)) (changed bool, err error) {
	c, err := r.t.certificate(certKey(r.issuer, serial))
	switch {
	case err != nil:
		return false, err
	case c.Revocation == nil: // it stands: revoke it
	case !onHold(c.Revocation):
		return false, revocation.ErrAlreadyRevoked
	case what.Reason == ca.CertificateHold:
		return false, nil // held already
	}
	der, err := crl.AppendEntry(nil, crl.Entry{Serial: serial, At: what.At, Reason: what.Reason})
	if err != nil {
		return false, err
	}
	logEntry, err := event(c)
	if err != nil {
		return false, err
	}
	if what.Reason == ca.KeyCompromise {
		if err := r.t.blockKey(c); err != nil {
			return false, err
		}
	}
	if err := r.forgetLate(serial, c.Revocation, c.NotAfter); err != nil {
		return false, err
	}
	if err := r.t.put(bucketRevoked, revokedKey(r.issuer, serial), revocationRecord(what, c.NotAfter, c.Partition)); err != nil {
		return false, err
	}
	if err := r.rememberLate(&c, what); err != nil {
		return false, err
	}
	r.change(c.Partition, change{serial, der})
	return true, r.log(logEntry)
}

// release does to one certificate what Release says.
func (r *revoking) release(serial ca.Serial, event func(ca.Certificate) ([]byte, error)) error {
	c, err := r.t.certificate(certKey(r.issuer, serial))
	if err != nil {
		return err
	}
	if !onHold(c.Revocation) {
		return revocation.ErrNotOnHold
	}
	logEntry, err := event(c)
	if err != nil {
		return err
	}
	if err := r.forgetLate(serial, c.Revocation, c.NotAfter); err != nil {
		return err
	}
	if err := r.t.delete(bucketRevoked, revokedKey(r.issuer, serial)); err != nil {
		return err
	}
	r.change(c.Partition, change{serial: serial})
	return r.log(logEntry)
}

func onHold(r *ca.Revocation) bool { return r != nil && r.Reason == ca.CertificateHold }

func (r *revoking) change(partition int, c change) {
	r.entries[partition] = append(r.entries[partition], c)
	r.logged = append(r.logged, loggedChange{c.serial, partition})
}

// finish makes the changes of the blocks and of all that counts them.
func (r *revoking) finish() error {
	if len(r.entries) > 0 {
		r.state.revision++
	}
	for partition, changes := range r.entries {
		slices.SortFunc(changes, func(a, b change) int { return bytes.Compare(a.serial[:], b.serial[:]) })
		grown, err := r.t.applyChanges(r.issuer, partition, changes)
		if err != nil {
			return err
		}
		r.state.add(grown)
		if partition != 0 {
			if err := r.t.grow(r.issuer, partition, grown); err != nil {
				return err
			}
		}
	}
	if err := r.logChanges(); err != nil {
		return err
	}
	if bytes.Equal(r.state.record(), r.before) {
		return nil
	}
	return r.store.setRevState(r.t, r.issuer, r.state)
}

// eventOf makes the record of a log entry that is known beforehand.
func eventOf(e audit.Event) (func(ca.Certificate) ([]byte, error), error) {
	record, err := newEvent(e)
	return func(ca.Certificate) ([]byte, error) { return record, err }, err
}

// noEvent leaves the log entry to whoever changes more than one certificate at once.
func noEvent(ca.Certificate) ([]byte, error) { return nil, nil }

func (r *revoking) log(event []byte) error {
	if event == nil {
		return nil
	}
	return r.t.log(event)
}

// Entries leave the CRL some time after their certificate has expired. Each CRL
// that is made sweeps bucketExpiry up to its time for those. What a sweep
// has passed and did not remove, and what is revoked behind it, is in
// bucketLate until a later one does.

// lateKey is issuer NUL, the time from which on a CRL may be the last with the entry, serial.
func lateKey(issuer string, leaves int64, serial ca.Serial) []byte {
	key := binary.BigEndian.AppendUint64(textKey(issuer), uint64(leaves)^1<<63)
	return append(key, serial[:]...)
}

// rememberLate puts the certificate into bucketLate where the sweep is past it.
func (r *revoking) rememberLate(c *ca.Certificate, what ca.Revocation) error {
	if bytes.Compare(expiryKey(c), r.state.swept) > 0 {
		return nil
	}
	leaves := revoked{since: what.At.Unix(), until: c.NotAfter.Unix()}.leaves()
	return r.t.put(bucketLate, lateKey(r.issuer, leaves, c.Serial), partitionRecord(c.Partition))
}

// forgetLate takes the certificate out of bucketLate, if it is in there for what it was revoked for.
func (r *revoking) forgetLate(serial ca.Serial, was *ca.Revocation, notAfter time.Time) error {
	if was == nil {
		return nil
	}
	key := lateKey(r.issuer, revoked{since: was.At.Unix(), until: notAfter.Unix()}.leaves(), serial)
	if !r.t.has(bucketLate, key) {
		return nil
	}
	return r.t.delete(bucketLate, key)
}

func partitionRecord(partition int) []byte {
	return binary.BigEndian.AppendUint16([]byte{recordVersion}, uint16(partition))
}

func parsePartition(v []byte) (int, error) {
	if len(v) != 3 || v[0] != recordVersion {
		return 0, fmt.Errorf("%w: partition of a revoked certificate", ErrCorrupt)
	}
	return int(binary.BigEndian.Uint16(v[1:])), nil
}
