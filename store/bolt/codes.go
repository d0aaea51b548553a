package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
)

// AddCode implements [enroll.Store].
func (s *Store) AddCode(ctx context.Context, c enroll.Code, e audit.Event) error {
	record, err := codeRecord(c)
	if err != nil {
		return err
	}
	event, err := newEvent(e)
	if err != nil {
		return err
	}
	return s.update(ctx, func(t *tx) error {
		if !t.has(bucketAccounts, []byte(c.Account)) {
			return enroll.ErrNotFound
		}
		if t.has(bucketCodes, c.Hash[:]) {
			return enroll.ErrExists
		}
		if err := t.put(bucketCodes, c.Hash[:], record); err != nil {
			return err
		}
		if c.SpentOn == nil {
			if err := t.put(bucketCodeExpiry, codeExpiryKey(c), []byte(c.Account)); err != nil {
				return err
			}
		}
		return t.log(event)
	})
}

// Code implements [enroll.Store].
func (s *Store) Code(ctx context.Context, hash [32]byte) (c enroll.Code, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		c, err = t.code(hash)
		return err
	})
	return c, err
}

func (t *tx) code(hash [32]byte) (enroll.Code, error) {
	record := t.get(bucketCodes, hash[:])
	if record == nil {
		return enroll.Code{}, enroll.ErrNotFound
	}
	return readCode(hash, record)
}

// spendable returns the code, where account may spend it now.
func (t *tx) spendable(hash [32]byte, account string) (enroll.Code, error) {
	c, err := t.code(hash)
	switch {
	case err != nil:
		return c, err
	case c.Account != account:
		return c, enroll.ErrNotFound
	case c.SpentOn != nil:
		return c, enroll.ErrCodeSpent
	}
	return c, nil
}

// spend leaves the code's place in bucketCodeExpiry to [tx.deleteCodes]: one
// page less to write for each certificate.
func (t *tx) spend(c enroll.Code, csr [32]byte) error {
	c.SpentOn = &csr
	record, err := codeRecord(c)
	if err != nil {
		return err
	}
	return t.put(bucketCodes, c.Hash[:], record)
}

// deleteOpenCodes deletes the account's unused codes.
func (t *tx) deleteOpenCodes(account string) error {
	var keys [][]byte
	for k, v := range pairs(t.Bucket(bucketCodeExpiry).Cursor(), nil) {
		if string(v) == account {
			keys = append(keys, bytes.Clone(k))
		}
	}
	return t.deleteCodes(keys)
}

// forgetCodes deletes up to limit unused codes that had expired by then.
func (t *tx) forgetCodes(then time.Time, limit int) (int, error) {
	keys := t.expired(bucketCodeExpiry, then, limit)
	return len(keys), t.deleteCodes(keys)
}

// deleteCodes deletes the codes with those keys in bucketCodeExpiry; of those
// that were used, only the key.
func (t *tx) deleteCodes(keys [][]byte) error {
	for _, k := range keys {
		if len(k) != 8+32 {
			return fmt.Errorf("%w: the expiry of a code", ErrCorrupt)
		}
		c, err := t.code([32]byte(k[8:]))
		if err == nil && c.SpentOn == nil {
			err = t.delete(bucketCodes, c.Hash[:])
		}
		if err != nil && !errors.Is(err, enroll.ErrNotFound) {
			return err
		}
		if err := t.delete(bucketCodeExpiry, k); err != nil {
			return err
		}
	}
	return nil
}

// expired returns up to limit keys of the bucket, which begin with a [timeKey], whose
// time had come by then.
func (t *tx) expired(bucket []byte, then time.Time, limit int) (keys [][]byte) {
	last := timeKey(then.Truncate(time.Second)) // keys are rounded up
	for k := range pairs(t.Bucket(bucket).Cursor(), nil) {
		if len(keys) == limit || bytes.Compare(k[:8], last) > 0 {
			break
		}
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}

func codeExpiryKey(c enroll.Code) []byte { return append(timeKey(c.Expires), c.Hash[:]...) }

func codeRecord(c enroll.Code) ([]byte, error) {
	r := newRecorder(128)
	r.text(c.Account)
	r.text(c.Profile)
	r.time(c.Created)
	r.time(c.Expires)
	r.text(c.By)
	r.optional(sliceOf(c.SpentOn))
	r.optional(serialBytes(c.Renews))
	return r.end("a code")
}

func readCode(hash [32]byte, record []byte) (enroll.Code, error) {
	r := newReading(record)
	c := enroll.Code{Hash: hash, Account: r.text(), Profile: r.text(), Created: r.time(), Expires: r.time(), By: r.text()}
	var spent [32]byte
	if r.optional(spent[:]) {
		c.SpentOn = &spent
	}
	var renews ca.Serial
	if r.optional(renews[:]) {
		c.Renews = &renews
	}
	return c, r.end("code")
}

func sliceOf(p *[32]byte) []byte {
	if p == nil {
		return nil
	}
	return p[:]
}

func serialBytes(s *ca.Serial) []byte {
	if s == nil {
		return nil
	}
	return s[:]
}
