package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"signet/enroll"
	"signet/internal/audit"
)

// Escrowed implements [enroll.EscrowStore].
func (s *Store) Escrowed(ctx context.Context, card uint32, account string) (e enroll.Escrowed, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		e, err = t.escrowed(card, account)
		return err
	})
	return e, err
}

// EscrowedFor implements [enroll.EscrowStore].
func (s *Store) EscrowedFor(ctx context.Context, card uint32) (all []enroll.Escrowed, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		all, err = t.escrowedFor(card)
		return err
	})
	return all, err
}

// AddPUK implements [enroll.EscrowStore].
func (s *Store) AddPUK(ctx context.Context, card uint32, account string, k enroll.Kept, e audit.Event) (out enroll.Escrowed, err error) {
	event, err := newEvent(e)
	if err != nil {
		return out, err
	}
	err = s.update(ctx, func(t *tx) (err error) {
		if !t.has(bucketAccounts, []byte(account)) {
			return enroll.ErrNotFound
		}
		out, err = t.escrowed(card, account)
		if errors.Is(err, enroll.ErrNotFound) {
			out, err = enroll.Escrowed{Card: card, Account: account}, t.beginUnproven(card, account)
		}
		if err != nil || !out.Add(k) {
			return err
		}
		return errors.Join(t.putEscrowed(out), t.log(event))
	})
	return out, err
}

// beginUnproven counts the card among those of the account that were never proved.
func (t *tx) beginUnproven(card uint32, account string) error {
	n, prefix := 0, textKey(account)
	for range pairs(t.Bucket(bucketUnproven).Cursor(), prefix) {
		if n++; n == enroll.MaxUnproven {
			return enroll.ErrTooOften
		}
	}
	return t.put(bucketUnproven, unprovenKey(card, account), present)
}

// ConfirmPUK implements [enroll.EscrowStore].
func (s *Store) ConfirmPUK(ctx context.Context, card uint32, account string, ids []string, e audit.Event) (out enroll.Escrowed, err error) {
	event, err := newEvent(e)
	if err != nil {
		return out, err
	}
	err = s.update(ctx, func(t *tx) (err error) {
		if out, err = t.escrowed(card, account); err != nil {
			return err
		}
		changed, err := out.Confirm(ids)
		if err != nil || !changed {
			return err
		}
		return errors.Join(t.putEscrowed(out), t.log(event))
	})
	return out, err
}

// TakePUK implements [enroll.EscrowStore].
func (s *Store) TakePUK(ctx context.Context, number uint64, then time.Time, e audit.Event) (out enroll.Escrowed, err error) {
	event, err := newEvent(e)
	if err != nil {
		return out, err
	}
	err = s.update(ctx, func(t *tx) error {
		r, err := t.pukRequest(number)
		if err != nil {
			return err
		}
		if r.At(then).State != enroll.PUKApproved {
			return enroll.ErrNotApproved
		}
		if err := t.releasable(r); err != nil {
			return err
		}
		if out, err = t.escrowed(r.Card, r.Account); err != nil {
			return err
		}
		r.State, r.Taken, out.Released = enroll.PUKTaken, then, then
		return errors.Join(t.putPUKRequest(r), t.putEscrowed(out), t.log(event))
	})
	if err != nil {
		return enroll.Escrowed{}, err
	}
	return out, nil
}

// TakePUKs implements [enroll.EscrowStore].
func (s *Store) TakePUKs(ctx context.Context, card uint32, then time.Time, choose func(enroll.Card, []enroll.Escrowed) ([]enroll.Escrowed, audit.Event, error)) (taken []enroll.Escrowed, err error) {
	err = s.update(ctx, func(t *tx) error {
		all, err := t.escrowedFor(card)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return enroll.ErrNotFound
		}
		c, err := t.card(card)
		if err != nil && !errors.Is(err, enroll.ErrNotFound) {
			return err
		}
		var e audit.Event
		if taken, e, err = choose(c, all); err != nil {
			return err
		}
		for i := range taken {
			taken[i].Released = then
			if err := t.putEscrowed(taken[i]); err != nil {
				return err
			}
		}
		event, err := newEvent(e)
		if err != nil {
			return err
		}
		return t.log(event)
	})
	if err != nil {
		return nil, err
	}
	return taken, nil
}

// prove records that the card was attested as the account's, for what is kept for it.
func (t *tx) prove(card uint32, account string, at time.Time) error {
	all, err := t.escrowedFor(card)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Account == account {
			if e.Proven.IsZero() {
				err = t.delete(bucketUnproven, unprovenKey(card, account))
			}
			e.Proven = at
		} else if e.Proven.IsZero() {
			continue
		} else {
			e.Proven = time.Time{}
		}
		if err := errors.Join(err, t.putEscrowed(e)); err != nil {
			return err
		}
	}
	return nil
}

// unprove ends the account's right to the card's PUK, if it has one.
func (t *tx) unprove(card uint32, account string) error {
	e, err := t.escrowed(card, account)
	if errors.Is(err, enroll.ErrNotFound) || err == nil && e.Proven.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	e.Proven = time.Time{}
	return t.putEscrowed(e)
}

func (t *tx) escrowed(card uint32, account string) (enroll.Escrowed, error) {
	record := t.get(bucketEscrow, escrowKey(card, account))
	if record == nil {
		return enroll.Escrowed{}, enroll.ErrNotFound
	}
	return readEscrowed(record)
}

func (t *tx) escrowedFor(card uint32) (all []enroll.Escrowed, err error) {
	for _, record := range pairs(t.Bucket(bucketEscrow).Cursor(), escrowKey(card, "")) {
		e, err := readEscrowed(record)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (t *tx) putEscrowed(e enroll.Escrowed) error {
	record, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the PUK of card %d: %w", e.Card, err)
	}
	return t.put(bucketEscrow, escrowKey(e.Card, e.Account), record)
}

func readEscrowed(record []byte) (e enroll.Escrowed, err error) {
	if err := json.Unmarshal(record, &e); err != nil {
		return e, fmt.Errorf("%w: a card's PUK: %w", ErrCorrupt, err)
	}
	return e, nil
}

// escrowKey is card account; of no account, the prefix of the card's keys.
func escrowKey(card uint32, account string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, card), account...)
}

// unprovenKey is account NUL card.
func unprovenKey(card uint32, account string) []byte {
	return binary.BigEndian.AppendUint32(textKey(account), card)
}

// forgetPUKRequests deletes up to limit requests that had ended by then.
func (t *tx) forgetPUKRequests(then time.Time, limit int) (int, error) {
	var keys [][]byte
	for k, record := range pairs(t.Bucket(bucketPUKRequests).Cursor(), nil) {
		r, err := readPUKRequest(record)
		if err != nil {
			return 0, err
		}
		if !r.Ended().After(then) {
			keys = append(keys, bytes.Clone(k))
		}
		if len(keys) == limit {
			break
		}
	}
	for _, k := range keys {
		if err := t.delete(bucketPUKRequests, k); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}
