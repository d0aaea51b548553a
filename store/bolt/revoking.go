package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
)

// A revoking is a change of an issuer's revocations within one transaction: of one
// certificate or of many. It keeps together what belongs together: the record of what
// has become of it and its entry (see fresh.go), the change log, the sizes, the revision.
type revoking struct {
	store  *Store
	t      *tx
	issuer string
	state  revState
	before []byte // state's record as it is stored
	// made are the changes, each certificate's once, and removed those whose
	// entry leaves while the record stays: written at the end.
	made    []freshChange
	removed []loggedChange
}

type loggedChange struct {
	serial    ca.Serial
	partition int
}

func (s *Store) newRevoking(t *tx, issuer string) (*revoking, error) {
	state, err := t.revState(issuer)
	return &revoking{store: s, t: t, issuer: issuer, state: state, before: state.record()}, err
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
	made := freshChange{
		serial: serial, partition: c.Partition, stood: c.Revocation == nil,
		record: revocationRecord(what, c.NotAfter, c.Partition),
	}
	if _, err := made.change(); err != nil { // it has no place on a CRL
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
	if err := r.rememberLate(&c, what); err != nil {
		return false, err
	}
	r.made = append(r.made, made)
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
	r.made = append(r.made, freshChange{serial: serial, partition: c.Partition})
	return r.log(logEntry)
}

func onHold(r *ca.Revocation) bool { return r != nil && r.Reason == ca.CertificateHold }

// finish writes the changes and all that counts them.
func (r *revoking) finish() error {
	if len(r.made)+len(r.removed) > 0 {
		r.state.revision++
	}
	write := r.settle
	if len(r.made) <= freshAtOnce {
		write = r.keepFresh
	}
	if err := errors.Join(r.logChanges(), write(), r.remove()); err != nil {
		return err
	}
	if bytes.Equal(r.state.record(), r.before) {
		return nil
	}
	return r.store.setRevState(r.t, r.issuer, r.state)
}

// keepFresh writes the changes to bucketFresh.
func (r *revoking) keepFresh() error {
	for _, c := range r.made {
		before, err := size{}, error(nil)
		if !c.stood {
			before, err = r.t.entrySize(r.issuer, c.partition, c.serial)
		}
		if err != nil {
			return err
		}
		now, err := c.change()
		if err != nil {
			return err
		}
		d := now.size()
		d.add(size{-before.entries, -before.octets})
		if err := errors.Join(r.t.putFresh(r.issuer, c), r.grow(c.partition, d)); err != nil {
			return err
		}
	}
	if len(r.made) == 0 || int64(r.t.freshCount()) <= r.store.maxFresh.Load() {
		return nil
	}
	return r.t.foldSome(foldMany) // more than were added: one of many pays for all
}

// settle writes the changes, which are many, to where they stay.
func (r *revoking) settle() error {
	serials := make([]ca.Serial, 0, len(r.made))
	for _, c := range r.made {
		serials = append(serials, c.serial)
	}
	if err := r.t.foldThese(r.issuer, serials); err != nil {
		return err
	}
	for _, c := range r.made {
		if err := r.t.putRevoked(r.issuer, c); err != nil {
			return err
		}
	}
	return r.t.applyFresh(r.issuer, r.made, r.grow)
}

// remove removes entries that leave; not the records.
func (r *revoking) remove() error {
	var serials []ca.Serial
	var gone []freshChange
	for _, c := range r.removed {
		serials, gone = append(serials, c.serial), append(gone, freshChange{serial: c.serial, partition: c.partition})
	}
	if len(gone) == 0 {
		return nil
	}
	return errors.Join(r.t.foldThese(r.issuer, serials), r.t.applyFresh(r.issuer, gone, r.grow))
}

// grow adds d to the sizes.
func (r *revoking) grow(partition int, d size) error {
	r.state.add(d)
	if partition == 0 {
		return nil
	}
	return r.t.grow(r.issuer, partition, d)
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
