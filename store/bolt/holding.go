package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/enroll"
)

// Holding implements [enroll.Store].
func (s *Store) Holding(ctx context.Context, of enroll.Holder) (h enroll.Holding, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		h, err = s.holding(t, of)
		return err
	})
	if err != nil {
		return enroll.Holding{}, err
	}
	return h, nil
}

// ChangeHolding implements [enroll.Store].
func (s *Store) ChangeHolding(ctx context.Context, of enroll.Holder, decide func(enroll.Holding) (enroll.Decision, error)) error {
	return s.update(ctx, func(t *tx) error {
		h, err := s.holding(t, of)
		if err != nil {
			return err
		}
		d, err := decide(h)
		if err != nil {
			return err
		}
		return s.apply(t, of, d)
	})
}

func (s *Store) holding(t *tx, of enroll.Holder) (h enroll.Holding, err error) {
	owner := of.Account
	if of.Card != 0 {
		c, err := t.card(of.Card)
		if err != nil && !errors.Is(err, enroll.ErrNotFound) {
			return h, err
		}
		c.Serial = of.Card
		h.Cards = []enroll.Card{c}
		if owner == "" {
			owner = c.Account
		}
	}
	if owner != "" {
		a, err := t.account(owner)
		// A card outlives its owner's account, but only an account that was named must be there.
		if err != nil && (of.Account != "" || !errors.Is(err, enroll.ErrNotFound)) {
			return h, err
		}
		if err == nil {
			h.Account = &a
		}
	}
	if of.Card == 0 {
		if h.Cards, err = t.cardsOf(owner); err != nil {
			return h, err
		}
		if h.Codes, err = t.openCodes(owner, of.At); err != nil {
			return h, err
		}
		return h, s.gather(t, of, &h, owner, func(certHead) bool { return true })
	}
	return h, s.gatherCard(t, of, &h, owner)
}

// gatherCard gathers what is on the card, of whoever has enrolled with it, and the
// owner's temporary certificates where they are asked for.
func (s *Store) gatherCard(t *tx, of enroll.Holder, h *enroll.Holding, owner string) error {
	temporary := func(c certHead) bool {
		return of.Temporary && h.Account != nil &&
			(!h.Account.Until(string(c.profile), of.At).IsZero() || slices.Contains(of.With, string(c.profile)))
	}
	asked := owner == ""
	for _, account := range h.Cards[0].Holders {
		asked = asked || account == owner
		err := s.gather(t, of, h, account, func(c certHead) bool {
			return c.card == of.Card || account == owner && temporary(c)
		})
		if err != nil {
			return err
		}
	}
	if asked {
		return nil
	}
	return s.gather(t, of, h, owner, temporary)
}

// gather adds those of the account's certificates that want wants, have not expired
// and are not revoked for good.
func (s *Store) gather(t *tx, of enroll.Holder, h *enroll.Holding, account string, want func(certHead) bool) error {
	issuer := textKey(of.Issuer)
	for _, key := range t.enrolledBy(account) {
		s.pages.touched(t.Tx, pagesPerCertificate)
		head, err := headOf(t.get(bucketCerts, key))
		if err != nil {
			return err
		}
		if len(key) < len(issuer) || string(key[:len(issuer)]) != string(issuer) || !head.notAfter.After(of.At) || !want(head) {
			continue
		}
		c, err := t.certificate(key)
		if err != nil {
			return err
		}
		if c.Revocation != nil && !onHold(c.Revocation) {
			continue
		}
		if len(h.Certificates) == enroll.MaxHolding {
			return enroll.ErrTooMany
		}
		h.Certificates = append(h.Certificates, c)
	}
	return nil
}

// openCodes are the account's that were not used and have not expired.
func (t *tx) openCodes(account string, at time.Time) (codes []enroll.Code, err error) {
	for k, v := range pairs(t.Bucket(bucketCodeExpiry).Cursor(), nil) {
		if string(v) != account {
			continue
		}
		if len(k) != 8+32 {
			return nil, fmt.Errorf("%w: the expiry of a code", ErrCorrupt)
		}
		c, err := t.code([32]byte(k[8:]))
		if err != nil && !errors.Is(err, enroll.ErrNotFound) {
			return nil, err
		}
		if err == nil && c.SpentOn == nil && c.Expires.After(at) {
			codes = append(codes, c)
		}
	}
	return codes, nil
}

// apply does what was decided.
func (s *Store) apply(t *tx, of enroll.Holder, d enroll.Decision) error {
	if err := s.applyRevocations(t, of.Issuer, d); err != nil {
		return err
	}
	for _, hash := range d.Codes {
		c, err := t.code(hash)
		if err != nil {
			return err
		}
		if err := t.deleteCodes([][]byte{codeExpiryKey(c)}); err != nil {
			return err
		}
	}
	for _, c := range d.Cards {
		if err := t.putCard(c); err != nil {
			return err
		}
	}
	for _, serial := range d.Forget {
		if err := t.delete(bucketCards, cardKey(serial)); err != nil {
			return err
		}
	}
	if a := d.Account; a != nil {
		record, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("writing account %s: %w", a.Name, err)
		}
		if err := t.put(bucketAccounts, []byte(a.Name), record); err != nil {
			return err
		}
	}
	if d.Remove != "" {
		if err := t.removeAccount(d.Remove, of.At); err != nil {
			return err
		}
	}
	for _, e := range d.Events {
		event, err := newEvent(e)
		if err != nil {
			return err
		}
		if err := t.log(event); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) applyRevocations(t *tx, issuer string, d enroll.Decision) error {
	if len(d.Revoke)+len(d.Release) == 0 {
		return nil
	}
	r, err := s.newRevoking(t, issuer)
	if err != nil {
		return err
	}
	for _, one := range d.Revoke {
		if _, err := r.revoke(one.Serial, one.What, noEvent); err != nil {
			return fmt.Errorf("certificate %s: %w", one.Serial, err)
		}
		s.pages.touched(t.Tx, pagesPerWrite)
	}
	for _, serial := range d.Release {
		if err := r.release(serial, noEvent); err != nil {
			return fmt.Errorf("certificate %s: %w", serial, err)
		}
	}
	return r.finish()
}
