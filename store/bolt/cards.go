package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/enroll"
	"signet/internal/audit"
)

// Card implements [enroll.Store].
func (s *Store) Card(ctx context.Context, serial uint32) (c enroll.Card, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		c, err = t.card(serial)
		return err
	})
	return c, err
}

// Cards implements [enroll.Store].
func (s *Store) Cards(ctx context.Context, yield func(enroll.Card) bool) error {
	return s.view(ctx, func(t *tx) error {
		for k, v := range pairs(t.Bucket(bucketCards).Cursor(), nil) {
			if err := s.turnPages(ctx, t, 1); err != nil {
				return err
			}
			c, err := readCard(k, v)
			if err != nil || !yield(c) {
				return err
			}
		}
		return nil
	})
}

// AddCards implements [enroll.Store].
func (s *Store) AddCards(ctx context.Context, cards []enroll.Card, event func(enroll.Card) audit.Event) (added int, err error) {
	for some := range slices.Chunk(cards, slice) {
		n := 0
		err := s.update(ctx, func(t *tx) (err error) {
			n, err = t.addCards(some, event)
			return err
		})
		if err != nil {
			return added, err
		}
		added += n
	}
	return added, nil
}

func (t *tx) addCards(cards []enroll.Card, event func(enroll.Card) audit.Event) (added int, err error) {
	for _, c := range cards {
		if t.has(bucketCards, cardKey(c.Serial)) {
			continue
		}
		record, err := newEvent(event(c))
		if err != nil {
			return added, err
		}
		if err := errors.Join(t.putCard(c), t.log(record)); err != nil {
			return added, err
		}
		added++
	}
	return added, nil
}

func (t *tx) card(serial uint32) (enroll.Card, error) {
	key := cardKey(serial)
	record := t.get(bucketCards, key)
	if record == nil {
		return enroll.Card{}, enroll.ErrNotFound
	}
	return readCard(key, record)
}

// putCard stores c, and its owner's way to it.
func (t *tx) putCard(c enroll.Card) error {
	record, err := cardRecord(c)
	if err != nil {
		return err
	}
	was, err := t.card(c.Serial)
	if err != nil && !errors.Is(err, enroll.ErrNotFound) {
		return err
	}
	if was.Account != "" && was.Account != c.Account {
		if err := t.delete(bucketOwners, ownerKey(was.Account, c.Serial)); err != nil {
			return err
		}
	}
	if c.Account != "" && was.Account != c.Account {
		if err := t.put(bucketOwners, ownerKey(c.Account, c.Serial), present); err != nil {
			return err
		}
	}
	return t.put(bucketCards, cardKey(c.Serial), record)
}

// cardsOf are the account's, by serial number.
func (t *tx) cardsOf(account string) (cards []enroll.Card, err error) {
	prefix := textKey(account)
	for k := range pairs(t.Bucket(bucketOwners).Cursor(), prefix) {
		if len(k) != len(prefix)+4 {
			return nil, fmt.Errorf("%w: a card's owner", ErrCorrupt)
		}
		c, err := t.card(binary.BigEndian.Uint32(k[len(prefix):]))
		if err != nil {
			return nil, err
		}
		cards = append(cards, c)
	}
	return cards, nil
}

// freeCards makes the account's cards nobody's, but for those on which certificates of its
// are in force or on hold at that time.
func (t *tx) freeCards(account string, at time.Time) error {
	cards, err := t.cardsOf(account)
	if err != nil || len(cards) == 0 {
		return err
	}
	used, err := t.cardsInUse(account, at)
	if err != nil {
		return err
	}
	for _, c := range cards {
		if err := t.unprove(c.Serial, account); err != nil {
			return err
		}
		if used[c.Serial] {
			continue
		}
		c.Account, c.Changed = "", at
		if c.State == enroll.CardAssigned {
			c.State = enroll.CardInventory
		}
		if err := t.putCard(c); err != nil {
			return err
		}
	}
	return nil
}

// cardsInUse are those on which certificates of the account, of whichever issuer, have not expired
// at that time and are not revoked for good.
func (t *tx) cardsInUse(account string, at time.Time) (map[uint32]bool, error) {
	used := map[uint32]bool{}
	for _, key := range t.enrolledBy(account) {
		head, err := headOf(t.get(bucketCerts, key))
		if err != nil {
			return nil, err
		}
		if head.card == 0 || used[head.card] || !head.notAfter.After(at) {
			continue
		}
		c, err := t.certificate(key)
		if err != nil {
			return nil, err
		}
		used[head.card] = c.Revocation == nil || onHold(c.Revocation)
	}
	return used, nil
}

// noted returns e's card as it is to be stored when e is, nil where it is stored
// so already; or why nobody, or not this account, may enroll with it.
func (t *tx) noted(e enroll.Enrollment) (*enroll.Card, error) {
	if e.Card == nil {
		return nil, nil
	}
	account, at := e.Certificate.Account, e.Certificate.IssuedAt
	c, err := t.usable(e.Card.Serial)
	switch {
	case errors.Is(err, enroll.ErrNotFound):
		c = enroll.Card{Serial: e.Card.Serial}
	case err != nil:
		return nil, err
	case c.Account != "" && c.Account != account:
		return nil, enroll.ErrCardAssigned
	}
	proved := *e.Card
	if c.State == enroll.CardAssigned && c.Account == account && !c.FirstSeen.IsZero() && sameHardware(c, proved) && slices.Contains(c.Holders, account) {
		return nil, nil
	}
	if c.State != enroll.CardAssigned || c.Account != account {
		c.State, c.Account, c.Changed = enroll.CardAssigned, account, at
	}
	if c.FirstSeen.IsZero() {
		c.FirstSeen = at
	}
	c.Firmware, c.FormFactor, c.FIPS, c.CSPN = proved.Firmware, proved.FormFactor, proved.FIPS, proved.CSPN
	if !slices.Contains(c.Holders, account) {
		c.Holders = append(c.Holders, account)
	}
	return &c, nil
}

func sameHardware(a, b enroll.Card) bool {
	return a.Firmware == b.Firmware && a.FormFactor == b.FormFactor && a.FIPS == b.FIPS && a.CSPN == b.CSPN
}

// usable returns the card, unless it is lost or retired.
func (t *tx) usable(serial uint32) (enroll.Card, error) {
	c, err := t.card(serial)
	switch {
	case err != nil:
		return c, err
	case c.State == enroll.CardLost:
		return c, enroll.ErrCardLost
	case c.State == enroll.CardRetired:
		return c, enroll.ErrCardRetired
	}
	return c, nil
}
