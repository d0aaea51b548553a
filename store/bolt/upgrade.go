package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"signet/ca"
	"signet/revocation/crl"
)

// upgradeStep is how many records one transaction of an upgrade reads: few enough
// that its memory doesn't count.
const upgradeStep = 20_000

// upgrade brings a store of schema 1, which knows what is revoked but keeps no entries
// of CRLs, to this one. Where that is broken off, the next opening begins anew. A store
// of schema 2 lacks bucketFresh alone, which [complete] makes. It runs before
// anything else does.
func (s *Store) upgrade() error {
	var from uint32
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		from, err = schemaOf(tx)
		return err
	})
	if err != nil || from == schema {
		return err
	}
	if from == 2 {
		return s.db.Update(setSchema)
	}
	if err := s.db.Update(emptyBlocks); err != nil {
		return err
	}
	u := &upgrade{pages: s.pages}
	for !u.done {
		if err := s.db.Update(func(btx *bbolt.Tx) error { return u.step(&tx{Tx: btx}) }); err != nil {
			return err
		}
	}
	s.logger.Info("the store was brought to this version", "from", from, "to", schema, "revoked", u.read)
	return nil
}

// emptyBlocks makes the buckets for entries, without what an upgrade that was broken off left.
func emptyBlocks(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketBlocks, bucketScopes, bucketChanges, bucketLate, bucketPartitions} {
		if err := tx.DeleteBucket(name); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return nil
}

// An upgrade is how far it has come, from one transaction to the next.
type upgrade struct {
	pages *resident
	after []byte // the last key of bucketRevoked that was read
	read  int
	done  bool

	issuer  string // whose entries are being read; "" before the first
	state   revState
	made    int64  // that issuer's
	entries []byte // of the block that is being filled
	last    ca.Serial
}

// step reads some records, and writes the blocks that are full.
func (u *upgrade) step(t *tx) error {
	c := t.Bucket(bucketRevoked).Cursor()
	k, v := c.Seek(u.after)
	if u.after != nil && bytes.Equal(k, u.after) {
		k, v = c.Next()
	}
	for n := 0; n < upgradeStep && k != nil; n++ {
		if n%16 == 0 {
			u.pages.touched(t.Tx, 1)
		}
		if err := u.add(t, k, v); err != nil {
			return err
		}
		u.after = bytes.Clone(k)
		k, v = c.Next()
	}
	if k != nil {
		return nil
	}
	u.done = true
	return errors.Join(u.endIssuer(t), setSchema(t.Tx))
}

// add adds the entry of one record of bucketRevoked, if it is on the next CRL.
func (u *upgrade) add(t *tx, k, v []byte) error {
	n := len(k) - len(ca.Serial{})
	r, ok := parseRevoked(v)
	if !ok || n < 2 {
		return fmt.Errorf("%w: revocation", ErrCorrupt)
	}
	if issuer := string(k[:n-1]); issuer != u.issuer {
		if err := errors.Join(u.endIssuer(t), u.beginIssuer(t, issuer)); err != nil {
			return err
		}
	}
	u.read++
	if r.leaves() <= u.made {
		return nil
	}
	serial := ca.Serial(k[n:])
	if r.until <= u.made {
		if err := t.put(bucketLate, lateKey(u.issuer, r.leaves(), serial), partitionRecord(0)); err != nil {
			return err
		}
	}
	return u.addEntry(t, crl.Entry{Serial: serial, At: r.at(), Reason: r.reason})
}

func (u *upgrade) addEntry(t *tx, e crl.Entry) error {
	if len(u.entries) > maxBlock*3/4 {
		if err := u.endBlock(t, u.last[:]); err != nil {
			return err
		}
	}
	before := len(u.entries)
	var err error
	if u.entries, err = crl.AppendEntry(u.entries, e); err != nil {
		return err
	}
	u.last = e.Serial
	u.state.add(size{1, int64(len(u.entries) - before)})
	return nil
}

func (u *upgrade) endBlock(t *tx, last []byte) error {
	err := t.put(bucketBlocks, append(scopeKey(u.issuer, 0), last...), blockRecord(u.entries))
	u.entries = u.entries[:0]
	return err
}

func (u *upgrade) beginIssuer(t *tx, issuer string) error {
	c, err := t.crl(issuer)
	u.issuer, u.made = issuer, c.made
	u.state = revState{revision: 1, forgotten: 1, swept: timeKey(time.Unix(c.made, 0))}
	return err
}

func (u *upgrade) endIssuer(t *tx) error {
	if u.issuer == "" {
		return nil
	}
	if len(u.entries) > 0 {
		if err := u.endBlock(t, lastSerial); err != nil {
			return err
		}
	}
	return t.put(bucketScopes, scopeKey(u.issuer, 0), u.state.record())
}
