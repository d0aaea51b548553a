package bolt

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"signet/ca"
	"signet/revocation/crl"
)

// What has just become of a certificate is written to bucketFresh alone, which is small
// however many are revoked: so a revocation costs the same with a million of them
// as with none. There it stands above what bucketRevoked and the blocks say, for
// whoever reads. When there are many, the writer folds them into these, some at a time,
// while nobody else wants to write (see writer.go). The bucket's sequence
// number is how many there are.

// How fresh ones are folded.
const (
	freshAtOnce = 64   // changes in one write; more go into bucketRevoked and the blocks at once
	foldAt      = 1024 // from so many on, until there are none
	foldStep    = 16   // in one transaction
	maxFresh    = 4096 // beyond it, whoever adds some folds foldMany
	foldMany    = 128
)

// A freshChange is what became of a certificate: its record in bucketRevoked, nil
// where it is not revoked any more.
type freshChange struct {
	serial    ca.Serial
	partition int
	record    []byte
	stood     bool // before, as far as that is known: then it has no entry yet
}

// freshRecord is the partition, and the record of the revocation if there is one.
func (c freshChange) freshRecord() []byte {
	return append(partitionRecord(c.partition), c.record...)
}

// parseFresh reads a record of bucketFresh, in place.
func parseFresh(serial ca.Serial, v []byte) (c freshChange, err error) {
	const head = 3
	if len(v) < head {
		return c, fmt.Errorf("%w: fresh revocation", ErrCorrupt)
	}
	c.serial = serial
	if c.partition, err = parsePartition(v[:head]); err == nil && len(v) > head {
		c.record = v[head:]
	}
	return c, err
}

// change is that of the entries.
func (c freshChange) change() (change, error) {
	if c.record == nil {
		return change{serial: c.serial}, nil
	}
	r, ok := parseRevoked(c.record)
	if !ok {
		return change{}, fmt.Errorf("%w: revocation", ErrCorrupt)
	}
	der, err := crl.AppendEntry(nil, crl.Entry{Serial: c.serial, At: r.at(), Reason: r.reason})
	return change{c.serial, der}, err
}

// fresh is what was written of the certificate and not folded yet.
func (t *tx) fresh(issuer string, serial ca.Serial) (c freshChange, found bool, err error) {
	v := t.get(bucketFresh, revokedKey(issuer, serial))
	if v == nil {
		return c, false, nil
	}
	c, err = parseFresh(serial, v)
	return c, true, err
}

// freshOf are all of the issuer's, by partition and serial; valid as long as the transaction.
func (t *tx) freshOf(issuer string) (all []freshChange, err error) {
	prefix := textKey(issuer)
	for k, v := range pairs(t.Bucket(bucketFresh).Cursor(), prefix) {
		if len(k) != len(prefix)+len(ca.Serial{}) {
			return nil, fmt.Errorf("%w: fresh revocation", ErrCorrupt)
		}
		c, err := parseFresh(ca.Serial(k[len(prefix):]), v)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	slices.SortFunc(all, inOrder)
	return all, nil
}

func inOrder(a, b freshChange) int {
	return cmp.Or(a.partition-b.partition, bytes.Compare(a.serial[:], b.serial[:]))
}

func (t *tx) putFresh(issuer string, c freshChange) error {
	key := revokedKey(issuer, c.serial)
	if !t.has(bucketFresh, key) {
		if err := t.countFresh(1); err != nil {
			return err
		}
	}
	return t.put(bucketFresh, key, c.freshRecord())
}

// countFresh adds n to how many there are.
func (t *tx) countFresh(n int) error {
	b := t.Bucket(bucketFresh)
	t.changed = true
	return b.SetSequence(b.Sequence() + uint64(n))
}

func (t *tx) freshCount() int { return int(t.Bucket(bucketFresh).Sequence()) }

// foldSome folds n of them, or as many as there are.
func (t *tx) foldSome(n int) error {
	type keyed struct {
		issuer string
		freshChange
	}
	var some []keyed
	for k, v := range pairs(t.Bucket(bucketFresh).Cursor(), nil) {
		if len(some) == n {
			break
		}
		end := len(k) - len(ca.Serial{})
		if end < 1 {
			return fmt.Errorf("%w: fresh revocation", ErrCorrupt)
		}
		c, err := parseFresh(ca.Serial(k[end:]), bytes.Clone(v))
		if err != nil {
			return err
		}
		some = append(some, keyed{string(k[:end-1]), c})
	}
	for len(some) > 0 {
		issuer := some[0].issuer
		var of []freshChange
		for len(some) > 0 && some[0].issuer == issuer {
			of, some = append(of, some[0].freshChange), some[1:]
		}
		if err := t.fold(issuer, of); err != nil {
			return err
		}
	}
	return nil
}

// fold brings some into bucketRevoked and the blocks. Whoever reads sees no difference.
func (t *tx) fold(issuer string, some []freshChange) error {
	for _, c := range some {
		if err := errors.Join(t.putRevoked(issuer, c), t.delete(bucketFresh, revokedKey(issuer, c.serial)), t.countFresh(-1)); err != nil {
			return err
		}
	}
	return t.applyFresh(issuer, some, func(int, size) error { return nil })
}

// foldThese folds those of the serials that are fresh.
func (t *tx) foldThese(issuer string, serials []ca.Serial) error {
	if t.freshCount() == 0 {
		return nil
	}
	var some []freshChange
	for _, serial := range serials {
		c, found, err := t.fresh(issuer, serial)
		if err != nil {
			return err
		}
		if found {
			c.record = bytes.Clone(c.record)
			some = append(some, c)
		}
	}
	return t.fold(issuer, some)
}

// putRevoked brings bucketRevoked to what has become of the certificate.
func (t *tx) putRevoked(issuer string, c freshChange) error {
	if c.record == nil {
		return t.delete(bucketRevoked, revokedKey(issuer, c.serial))
	}
	return t.put(bucketRevoked, revokedKey(issuer, c.serial), c.record)
}

// applyFresh makes the changes of the blocks, and tells of each partition by how much
// its blocks have grown.
func (t *tx) applyFresh(issuer string, some []freshChange, grown func(partition int, d size) error) error {
	slices.SortFunc(some, inOrder)
	for len(some) > 0 {
		partition := some[0].partition
		var changes []change
		for len(some) > 0 && some[0].partition == partition {
			c, err := some[0].change()
			if err != nil {
				return err
			}
			changes, some = append(changes, c), some[1:]
		}
		d, err := t.applyChanges(issuer, partition, changes)
		if err != nil {
			return err
		}
		if err := grown(partition, d); err != nil {
			return err
		}
	}
	return nil
}

// entrySize is that of the certificate's entry, if it has one.
func (t *tx) entrySize(issuer string, partition int, serial ca.Serial) (s size, err error) {
	c, found, err := t.fresh(issuer, serial)
	if err != nil {
		return s, err
	}
	if found {
		now, err := c.change()
		return now.size(), err
	}
	_, entries, err := t.block(scopeKey(issuer, partition), serial)
	for err == nil && len(entries) > 0 {
		var of ca.Serial
		var entry []byte
		if of, entry, err = firstEntry(entries); of == serial {
			return size{1, int64(len(entry))}, err
		}
		entries = entries[len(entry):]
	}
	return s, err
}

// size is that of what c puts there.
func (c change) size() size {
	if c.der == nil {
		return size{}
	}
	return size{1, int64(len(c.der))}
}
