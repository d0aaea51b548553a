package bolt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"

	"signet/ca"
	"signet/revocation/crl"
)

// CheckRevocations reads all that the store knows of issuer's revocations and fails
// where one part says something else than another: the certificates' records,
// the entries of CRLs and their totals, the log of changes. It is for tests, and for
// whoever doubts a store; it may take seconds.
func (s *Store) CheckRevocations(ctx context.Context, issuer string) error {
	return s.view(ctx, func(t *tx) error {
		state, err := t.revState(issuer)
		if err != nil {
			return err
		}
		c := &check{s: s, ctx: ctx, t: t, issuer: issuer, state: state}
		for _, look := range []func() error{c.fresh, c.blocks, c.all, c.records, c.late, c.changes} {
			if err := look(); err != nil {
				return fmt.Errorf("%w: revocations of issuer %s: %w", ErrCorrupt, issuer, err)
			}
		}
		return nil
	})
}

// A check compares; entries are those found in blocks.
type check struct {
	s       *Store
	ctx     context.Context
	t       *tx
	issuer  string
	state   revState
	entries int64
}

// blocks checks the blocks' order and bounds.
func (c *check) blocks() error {
	prefix := textKey(c.issuer)
	var before []byte // what the last entry's place in the order was
	for k, v := range pairs(c.t.Bucket(bucketBlocks).Cursor(), prefix) {
		entries, err := blockEntries(v)
		if err != nil {
			return err
		}
		if len(entries) > maxBlock || len(entries) == 0 {
			return fmt.Errorf("a block of %d octets", len(entries))
		}
		partition := int(binary.BigEndian.Uint16(k[len(prefix):]))
		for len(entries) > 0 {
			serial, entry, err := firstEntry(entries)
			if err != nil {
				return err
			}
			place := append(scopeKey(c.issuer, partition), serial[:]...)
			if bytes.Compare(place, before) <= 0 || bytes.Compare(place, k) > 0 {
				return fmt.Errorf("the entry of %s is out of order", serial)
			}
			before, entries = place, entries[len(entry):]
		}
		if err := c.s.turnPages(c.ctx, c.t, pagesPerBlock); err != nil {
			return err
		}
	}
	return nil
}

// all checks the entries of all blocks with what is fresh: their order, sums, and that each
// says what its record does.
func (c *check) all() error {
	var all size
	parts := map[int]size{}
	var before ca.Certificate
	read := func([]byte) error { return c.s.turnPages(c.ctx, c.t, pagesPerBlock) }
	err := c.t.entriesOf(c.issuer, 0, read, func(entries []byte) error {
		for len(entries) > 0 {
			serial, entry, err := firstEntry(entries)
			if err != nil {
				return err
			}
			cert, err := c.entry(serial, entry)
			if err != nil {
				return err
			}
			if cmp.Or(before.Partition-cert.Partition, bytes.Compare(before.Serial[:], serial[:])) >= 0 {
				return fmt.Errorf("the entry of %s is read out of order", serial)
			}
			before, entries = cert, entries[len(entry):]
			one := size{1, int64(len(entry))}
			all.add(one)
			sum := parts[cert.Partition]
			sum.add(one)
			parts[cert.Partition] = sum
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.entries = all.entries
	return c.sizes(all, parts)
}

// fresh checks how many are kept apart.
func (c *check) fresh() error {
	n := 0
	for range pairs(c.t.Bucket(bucketFresh).Cursor(), nil) {
		n++
	}
	if n != c.t.freshCount() {
		return fmt.Errorf("%d are fresh, and the store says %d", n, c.t.freshCount())
	}
	return nil
}

// sizes checks what is kept of them.
func (c *check) sizes(all size, parts map[int]size) error {
	if all != c.state.size {
		return fmt.Errorf("there are %v, and the store says %v", all, c.state.size)
	}
	prefix := textKey(c.issuer)
	for k, v := range pairs(c.t.Bucket(bucketScopes).Cursor(), prefix) {
		partition := int(binary.BigEndian.Uint16(k[len(prefix):]))
		if s, ok := parseSize(v); partition != 0 && (!ok || s != parts[partition]) {
			return fmt.Errorf("partition %d has %v, and the store says %v", partition, parts[partition], s)
		}
		delete(parts, partition)
	}
	delete(parts, 0)
	if len(parts) > 0 {
		return fmt.Errorf("the store says nothing of %v", parts)
	}
	return nil
}

// entry checks one of them against its records.
func (c *check) entry(serial ca.Serial, entry []byte) (ca.Certificate, error) {
	cert, err := c.t.certificate(certKey(c.issuer, serial))
	if err != nil || cert.Revocation == nil {
		return cert, fmt.Errorf("%s has an entry and is not revoked (%w)", serial, err)
	}
	want, err := crl.AppendEntry(nil, crl.Entry{Serial: serial, At: cert.Revocation.At, Reason: cert.Revocation.Reason})
	if err != nil || !bytes.Equal(entry, want) {
		return cert, fmt.Errorf("the entry of %s is not that of its revocation (%w)", serial, err)
	}
	leaves := revoked{since: cert.Revocation.At.Unix(), until: cert.NotAfter.Unix()}.leaves()
	if bytes.Compare(expiryKey(&cert), c.state.swept) <= 0 && !c.t.has(bucketLate, lateKey(c.issuer, leaves, serial)) {
		return cert, fmt.Errorf("the entry of %s would stay for ever", serial)
	}
	return cert, nil
}

// records checks that whatever is revoked has an entry, unless that has left.
func (c *check) records() error {
	made, err := c.t.crl(c.issuer)
	if err != nil {
		return err
	}
	prefix := textKey(c.issuer)
	with := int64(0)
	look := func(serial ca.Serial) error {
		if err := c.s.turnPages(c.ctx, c.t, pagesPerBlock); err != nil {
			return err
		}
		r, found, err := c.t.revoked(c.issuer, serial)
		if err != nil || !found {
			return err
		}
		has, err := c.t.entrySize(c.issuer, r.partition, serial)
		if with += has.entries; err == nil && has.entries == 0 && r.leaves() > made.made {
			err = fmt.Errorf("%s is revoked and has no entry", serial)
		}
		return err
	}
	for k := range pairs(c.t.Bucket(bucketRevoked).Cursor(), prefix) {
		if err := look(ca.Serial(k[len(prefix):])); err != nil {
			return err
		}
	}
	for k := range pairs(c.t.Bucket(bucketFresh).Cursor(), prefix) {
		if c.t.has(bucketRevoked, k) {
			continue // seen above
		}
		if err := look(ca.Serial(k[len(prefix):])); err != nil {
			return err
		}
	}
	if with != c.entries {
		return fmt.Errorf("%d entries, and %d certificates that have one", c.entries, with)
	}
	return nil
}

// late checks that those that leave the CRL by themselves are on it.
func (c *check) late() error {
	prefix := textKey(c.issuer)
	for k, v := range pairs(c.t.Bucket(bucketLate).Cursor(), prefix) {
		partition, err := parsePartition(v)
		if err != nil || len(k) != len(prefix)+8+len(ca.Serial{}) {
			return fmt.Errorf("a late one can't be read: %w", err)
		}
		serial := ca.Serial(k[len(prefix)+8:])
		if _, found, err := c.t.revoked(c.issuer, serial); err != nil || !found {
			return fmt.Errorf("%s is to leave and not revoked (%w)", serial, err)
		}
		if has, err := c.t.entrySize(c.issuer, partition, serial); err != nil || has.entries == 0 {
			return fmt.Errorf("%s is to leave and has no entry (%w)", serial, err)
		}
	}
	return nil
}

// changes checks their number and their bounds.
func (c *check) changes() error {
	prefix := textKey(c.issuer)
	n := uint64(0)
	for k := range pairs(c.t.Bucket(bucketChanges).Cursor(), prefix) {
		revision, serial, err := parseChangeKey(k[len(prefix):])
		if err != nil {
			return err
		}
		if revision > c.state.revision {
			return fmt.Errorf("%s has changed at revision %d, and it is %d", serial, revision, c.state.revision)
		}
		n++
	}
	if n != c.state.changes || n > maxChanges || c.state.forgotten > c.state.revision {
		return fmt.Errorf("%d changes, and the store says %d", n, c.state.changes)
	}
	if c.s.revisions.of(c.issuer) < c.state.revision {
		return fmt.Errorf("revision %d is given as %d", c.state.revision, c.s.revisions.of(c.issuer))
	}
	return nil
}
