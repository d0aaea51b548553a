package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"signet/enroll"
	"signet/internal/audit"
)

// AddAccount implements [enroll.Store].
func (s *Store) AddAccount(ctx context.Context, a enroll.Account, e audit.Event) error {
	record, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("writing account %s: %w", a.Name, err)
	}
	event, err := newEvent(e)
	if err != nil {
		return err
	}
	key := []byte(a.Name)
	return s.update(ctx, func(t *tx) error {
		if t.has(bucketAccounts, key) {
			return enroll.ErrExists
		}
		// What an account of that name, removed long ago, has left.
		return errors.Join(t.freeCards(a.Name, e.Time), t.put(bucketAccounts, key, record), t.log(event))
	})
}

// Account implements [enroll.Store].
func (s *Store) Account(ctx context.Context, name string) (a enroll.Account, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		a, err = t.account(name)
		return err
	})
	return a, err
}

// Accounts implements [enroll.Store].
func (s *Store) Accounts(ctx context.Context) (all []enroll.Account, err error) {
	err = s.view(ctx, func(t *tx) error {
		return t.Bucket(bucketAccounts).ForEach(func(name, record []byte) error {
			a, err := readAccount(record)
			all = append(all, a)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// ChangeAccount implements [enroll.Store].
func (s *Store) ChangeAccount(ctx context.Context, name string, change func(*enroll.Account) error, e audit.Event) (a enroll.Account, err error) {
	event, err := newEvent(e)
	if err != nil {
		return a, err
	}
	err = s.update(ctx, func(t *tx) (err error) {
		if a, err = t.account(name); err != nil {
			return err
		}
		if err := change(&a); err != nil {
			return err
		}
		if a.Name != name {
			return fmt.Errorf("an account's name can't be changed (from %q to %q)", name, a.Name)
		}
		record, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("writing account %s: %w", name, err)
		}
		return errors.Join(t.put(bucketAccounts, []byte(name), record), t.log(event))
	})
	if err != nil {
		return enroll.Account{}, err
	}
	return a, nil
}

// RemoveAccount implements [enroll.Store].
func (s *Store) RemoveAccount(ctx context.Context, name string, e audit.Event) error {
	event, err := newEvent(e)
	if err != nil {
		return err
	}
	return s.update(ctx, func(t *tx) error {
		if err := t.removeAccount(name, e.Time); err != nil {
			return err
		}
		return t.log(event)
	})
}

func (t *tx) removeAccount(name string, at time.Time) error {
	if !t.has(bucketAccounts, []byte(name)) {
		return enroll.ErrNotFound
	}
	return errors.Join(t.delete(bucketAccounts, []byte(name)), t.deleteOpenCodes(name), t.freeCards(name, at))
}

func (t *tx) account(name string) (enroll.Account, error) {
	record := t.get(bucketAccounts, []byte(name))
	if record == nil {
		return enroll.Account{}, enroll.ErrNotFound
	}
	return readAccount(record)
}

func readAccount(record []byte) (a enroll.Account, err error) {
	if err := json.Unmarshal(record, &a); err != nil {
		return a, fmt.Errorf("%w: account: %w", ErrCorrupt, err)
	}
	return a, nil
}

// Forget implements [enroll.Store]. It works in slices, so that enrollments get in between.
func (s *Store) Forget(ctx context.Context, then time.Time) error {
	for {
		more := false
		err := s.update(ctx, func(t *tx) error {
			codes, err := t.forgetCodes(then, slice)
			if err != nil {
				return err
			}
			nonces, err := t.forgetNonces(then, slice)
			if err != nil {
				return err
			}
			requests, err := t.forgetPUKRequests(then.Add(-enroll.KeepPUKRequests), slice)
			more = codes == slice || nonces == slice || requests == slice
			return err
		})
		if err != nil || !more {
			return err
		}
	}
}

// slice is how many records Forget deletes in one transaction, at most, of each kind.
const slice = 500
