package bolt

import (
	"bytes"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"signet/enroll"
)

// findCards brings a store of a version that knew no cards to know those that its
// certificates' keys are in. It reads each certificate once, so many in a transaction; where it is
// broken off, the next opening goes on. It runs before anything else does.
func (s *Store) findCards() error {
	searching := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		searching = tx.Bucket(bucketCards) == nil || tx.Bucket(bucketMeta).Get(keyCardsFound) != nil
		return nil
	})
	if err != nil || !searching {
		return err
	}
	if err := s.db.Update(beginFinding); err != nil {
		return err
	}
	read := 0
	for done := false; !done; {
		err := s.db.Update(func(btx *bbolt.Tx) (err error) {
			n := 0
			n, done, err = s.findSome(&tx{Tx: btx})
			read += n
			return err
		})
		if err != nil {
			return err
		}
	}
	s.logger.Info("the store was searched for cards", "certificates", read)
	return nil
}

// beginFinding makes the buckets, where there are none.
func beginFinding(btx *bbolt.Tx) error {
	if btx.Bucket(bucketCards) != nil {
		return nil
	}
	_, err := btx.CreateBucketIfNotExists(bucketCards)
	_, err2 := btx.CreateBucketIfNotExists(bucketOwners)
	return errors.Join(err, err2, btx.Bucket(bucketMeta).Put(keyCardsFound, present))
}

// findSome looks at the next certificates, and reports whether there are no more.
func (s *Store) findSome(t *tx) (n int, done bool, err error) {
	after := bytes.Clone(t.get(bucketMeta, keyCardsFound))
	c := t.Bucket(bucketCerts).Cursor()
	k, v := c.Seek(after)
	if bytes.Equal(k, after) {
		k, v = c.Next()
	}
	found := map[uint32]*enroll.Card{}
	for ; n < upgradeStep && k != nil; n++ {
		s.pages.touched(t.Tx, 1)
		head, err := headOf(v)
		if err != nil {
			return n, false, err
		}
		if err := t.find(found, head); err != nil {
			return n, false, err
		}
		after = bytes.Clone(k)
		k, v = c.Next()
	}
	for _, card := range found {
		if err := t.putCard(*card); err != nil {
			return n, false, err
		}
	}
	if k == nil {
		return n, true, t.delete(bucketMeta, keyCardsFound)
	}
	return n, false, t.put(bucketMeta, keyCardsFound, after)
}

// find adds to the cards what a certificate tells: a card is whose certificate is the newest.
func (t *tx) find(found map[uint32]*enroll.Card, head certHead) error {
	if head.card == 0 || len(head.account) == 0 {
		return nil
	}
	c := found[head.card]
	if c == nil {
		known, err := t.card(head.card)
		if errors.Is(err, enroll.ErrNotFound) {
			known = enroll.Card{Serial: head.card, State: enroll.CardInventory, FirstSeen: head.issuedAt}
		} else if err != nil {
			return err
		}
		c = &known
		found[head.card] = c
	}
	account := string(head.account)
	if !slices.Contains(c.Holders, account) {
		c.Holders = append(c.Holders, account)
	}
	if head.issuedAt.Before(c.FirstSeen) {
		c.FirstSeen = head.issuedAt
	}
	if head.issuedAt.Before(c.Changed) {
		return nil
	}
	c.Changed, c.Firmware, c.FormFactor = head.issuedAt, string(head.firmware), string(head.shape)
	c.State, c.Account = enroll.CardInventory, ""
	if t.has(bucketAccounts, head.account) {
		c.State, c.Account = enroll.CardAssigned, account
	}
	return nil
}
