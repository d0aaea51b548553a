package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"signet/ca"
)

// entriesOf calls yield with the entries of the scope, in order, in pieces: of each
// block as it is, where nothing in it is fresh. Before that, it calls read with the block as
// it lies in the file.
func (t *tx) entriesOf(issuer string, partition int, read, yield func([]byte) error) error {
	fresh, err := t.freshOf(issuer)
	if err != nil {
		return err
	}
	prefix := textKey(issuer)
	if partition != 0 {
		prefix = scopeKey(issuer, partition)
		fresh = slices.DeleteFunc(fresh, func(c freshChange) bool { return c.partition != partition })
	}
	m := &merging{fresh: fresh, yield: yield}
	for k, v := range pairs(t.Bucket(bucketBlocks).Cursor(), prefix) {
		entries, err := blockEntries(v)
		if err != nil {
			return err
		}
		if err := read(v); err != nil {
			return err
		}
		place := k[len(textKey(issuer)):]
		if len(place) != 2+len(ca.Serial{}) {
			return fmt.Errorf("%w: block of revoked certificates", ErrCorrupt)
		}
		if err := m.block(int(binary.BigEndian.Uint16(place)), ca.Serial(place[2:]), entries); err != nil {
			return err
		}
	}
	return m.rest(1 << 16)
}

// A merging yields blocks with what is fresh in them.
type merging struct {
	fresh  []freshChange // those that are left
	yield  func([]byte) error
	buffer []byte
}

// block yields the entries of a block, with what is fresh up to that serial.
func (m *merging) block(partition int, last ca.Serial, entries []byte) error {
	if err := m.rest(partition); err != nil {
		return err
	}
	n := 0
	for n < len(m.fresh) && m.fresh[n].partition == partition && bytes.Compare(m.fresh[n].serial[:], last[:]) <= 0 {
		n++
	}
	if n == 0 {
		return m.yield(entries)
	}
	return m.merge(entries, n)
}

// rest yields what is fresh in partitions before that one.
func (m *merging) rest(partition int) error {
	for len(m.fresh) > 0 && m.fresh[0].partition < partition {
		if err := m.merge(nil, 1); err != nil {
			return err
		}
	}
	return nil
}

// merge yields the entries as the next n changes leave them.
func (m *merging) merge(entries []byte, n int) error {
	changes := make([]change, 0, n)
	for _, f := range m.fresh[:n] {
		c, err := f.change()
		if err != nil {
			return err
		}
		changes = append(changes, c)
	}
	m.fresh = m.fresh[n:]
	var err error
	m.buffer, _, err = mergeBlock(m.buffer[:0], entries, changes)
	if err != nil || len(m.buffer) == 0 {
		return err
	}
	return m.yield(m.buffer)
}
