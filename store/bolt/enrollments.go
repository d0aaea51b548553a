package bolt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/revocation"
)

// Enrolled implements [enroll.Store].
func (s *Store) Enrolled(ctx context.Context, account string, csr [32]byte) (c ca.Certificate, err error) {
	err = s.view(ctx, func(t *tx) error {
		key := t.get(bucketEnrolled, enrolledKey(account, csr))
		if key == nil {
			return enroll.ErrNotFound
		}
		c, err = t.certificate(key)
		return err
	})
	return c, err
}

// Held implements [enroll.Store].
func (s *Store) Held(ctx context.Context, issuer string, serial ca.Serial) (c ca.Certificate, a enroll.Account, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		if c, err = t.certificate(certKey(issuer, serial)); err != nil {
			return err
		}
		a, err = t.account(c.Account)
		return err
	})
	if errors.Is(err, revocation.ErrNotFound) {
		err = enroll.ErrNotFound
	}
	if err != nil {
		return ca.Certificate{}, enroll.Account{}, err
	}
	return c, a, nil
}

// CertificatesOf implements [enroll.Store].
func (s *Store) CertificatesOf(ctx context.Context, account string, limit int) (certs []ca.Certificate, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		certs, err = t.newestOf(t.enrolledBy(account), limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return certs, nil
}

// OnHold implements [enroll.Store]. Of those that stand, only the keys are read.
func (s *Store) OnHold(ctx context.Context, issuer, account string) (certs []ca.Certificate, err error) {
	err = s.view(ctx, func(t *tx) error {
		var held [][]byte
		for _, key := range pairs(t.Bucket(bucketEnrolled).Cursor(), textKey(account)) {
			of, serial, err := parseCertKey(key)
			if err != nil {
				return err
			}
			if of != issuer {
				continue
			}
			r, found, err := t.revoked(of, serial)
			if err != nil {
				return err
			}
			if found && r.reason == ca.CertificateHold {
				held = append(held, key)
			}
		}
		certs, err = t.newestOf(held, len(held))
		return err
	})
	if err != nil {
		return nil, err
	}
	return certs, nil
}

// newestOf are the certificates with limit of these keys.
func (t *tx) newestOf(keys [][]byte, limit int) (certs []ca.Certificate, err error) {
	if keys, err = t.newest(keys, limit); err != nil {
		return nil, err
	}
	for _, key := range keys {
		c, err := t.certificate(key)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// newest sorts the keys of certificates by when they were issued, the newest
// first, and returns limit of them.
func (t *tx) newest(keys [][]byte, limit int) ([][]byte, error) {
	type dated struct {
		key []byte
		at  time.Time
	}
	all := make([]dated, 0, len(keys))
	for _, key := range slices.Backward(keys) { // of one instant, the last first
		at, err := issuedAt(t.get(bucketCerts, key))
		if err != nil {
			return nil, err
		}
		all = append(all, dated{key, at})
	}
	slices.SortStableFunc(all, func(a, b dated) int { return b.at.Compare(a.at) })
	keys = keys[:0]
	for _, d := range all[:min(max(limit, 0), len(all))] {
		keys = append(keys, d.key)
	}
	return keys, nil
}

// An issuance is one certificate of an enrollment, ready to be stored.
type issuance struct {
	*newCert
	keyID [32]byte
	event []byte
}

// issuancesOf is made before the transaction, which others wait for.
func issuancesOf(e *enroll.Enrollment) ([]issuance, error) {
	all := e.All()
	out := make([]issuance, len(all))
	for i := range all {
		c := &all[i].Certificate
		if c.Account != e.Certificate.Account || c.Issuer != e.Certificate.Issuer {
			return nil, fmt.Errorf("certificate %s can't be recorded: it is of another account or issuer than those with it", c.Serial)
		}
		n, err := newCertificate(*c, all[i].CSR)
		if err != nil {
			return nil, err
		}
		event, err := newEvent(all[i].Event)
		if err != nil {
			return nil, err
		}
		out[i] = issuance{n, c.KeyID, event}
	}
	return out, nil
}

// RecordEnrollment implements [enroll.Store].
func (s *Store) RecordEnrollment(ctx context.Context, e enroll.Enrollment) (certs []ca.Certificate, recorded bool, err error) {
	all, err := issuancesOf(&e)
	if err != nil {
		return nil, false, err
	}
	err = s.update(ctx, func(t *tx) (err error) {
		recorded = false
		if certs, err = t.enrolledAlready(all); certs != nil || err != nil {
			return err
		}
		recorded = true
		return t.enroll(e, all)
	})
	if err != nil {
		return nil, false, err
	}
	if recorded {
		for _, one := range e.All() {
			certs = append(certs, one.Certificate)
		}
	}
	return certs, recorded, nil
}

// enrolledAlready returns the certificates that all of these CSRs have, nil where none has.
func (t *tx) enrolledAlready(all []issuance) (certs []ca.Certificate, err error) {
	for i := range all {
		known := t.get(bucketEnrolled, all[i].enrolled)
		if known == nil {
			continue
		}
		c, err := t.certificate(known)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) > 0 && len(certs) < len(all) {
		return nil, enroll.ErrMixed
	}
	return certs, nil
}

// enroll checks all of e, then stores all of it.
func (t *tx) enroll(e enroll.Enrollment, all []issuance) error {
	code, err := t.mayEnroll(e, all)
	if err != nil {
		return err
	}
	card, err := t.noted(e)
	if err != nil {
		return err
	}
	if card != nil {
		if err := t.putCard(*card); err != nil {
			return err
		}
	}
	if e.Code != nil {
		if err := t.spend(code, e.CSR); err != nil {
			return err
		}
	}
	if !e.NonceExpires.IsZero() {
		if err := t.put(bucketNonces, nonceKey(e), present); err != nil {
			return err
		}
	}
	for i := range all {
		if err := t.issue(&all[i], e.Certificate.Account); err != nil {
			return err
		}
	}
	if card := e.Certificate.Card; card != nil {
		return t.prove(card.Serial, e.Certificate.Account, e.Certificate.IssuedAt)
	}
	return nil
}

func (t *tx) issue(n *issuance, account string) error {
	if string(t.get(bucketKeys, n.keyID[:])) != account { // not the same key again: a page less to write
		if err := t.put(bucketKeys, n.keyID[:], []byte(account)); err != nil {
			return err
		}
	}
	if err := t.addCertificate(n.newCert); err != nil {
		return err
	}
	return t.log(n.event)
}

// mayEnroll returns e's code, where it has one and nothing is in the way.
func (t *tx) mayEnroll(e enroll.Enrollment, all []issuance) (code enroll.Code, err error) {
	account := e.Certificate.Account
	if !t.has(bucketAccounts, []byte(account)) {
		return code, enroll.ErrNotFound
	}
	if err := t.allowed(e); err != nil {
		return code, err
	}
	if e.Code != nil {
		if code, err = t.spendable(*e.Code, account); err != nil {
			return code, err
		}
	}
	if !e.NonceExpires.IsZero() && t.has(bucketNonces, nonceKey(e)) {
		return code, enroll.ErrNonceSpent
	}
	if err := t.stands(e.Certificate.Issuer, e.Renews); err != nil {
		return code, err
	}
	for i := range all {
		if err := t.mayIssue(all, i, account); err != nil {
			return code, err
		}
	}
	return code, nil
}

// mayIssue looks at the key and the serial number of the one at i.
func (t *tx) mayIssue(all []issuance, i int, account string) error {
	n := &all[i]
	if owner, err := t.keyOwner(n.keyID); err == nil && owner != account {
		return enroll.ErrKeyTaken
	} else if err != nil && !errors.Is(err, enroll.ErrNotFound) {
		return err
	}
	for _, before := range all[:i] {
		if bytes.Equal(before.key, n.key) || bytes.Equal(before.enrolled, n.enrolled) {
			return enroll.ErrExists
		}
	}
	if t.has(bucketCerts, n.key) {
		return enroll.ErrExists
	}
	return nil
}

// KeyOwner implements [enroll.Store].
func (s *Store) KeyOwner(ctx context.Context, keyID [32]byte) (account string, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		account, err = t.keyOwner(keyID)
		return err
	})
	return account, err
}

// keyBlocked follows the account of a key that was reported compromised.
const keyBlocked = "\x00blocked"

func (t *tx) keyOwner(keyID [32]byte) (string, error) {
	v := t.get(bucketKeys, keyID[:])
	if v == nil {
		return "", enroll.ErrNotFound
	}
	account, blocked := strings.CutSuffix(string(v), keyBlocked)
	if blocked {
		return "", enroll.ErrKeyBlocked
	}
	return account, nil
}

func (t *tx) blockKey(c ca.Certificate) error {
	return t.put(bucketKeys, c.KeyID[:], []byte(c.Account+keyBlocked))
}

// stands fails where the certificate that is renewed, if any, no longer does.
func (t *tx) stands(issuer string, serial *ca.Serial) error {
	if serial == nil {
		return nil
	}
	record := t.get(bucketCerts, certKey(issuer, *serial))
	if record == nil {
		return enroll.ErrRevoked
	}
	if _, revoked, err := t.revoked(issuer, *serial); err != nil || revoked {
		return cmp.Or(err, enroll.ErrRevoked)
	}
	head, err := headOf(record)
	if err != nil || head.card == 0 {
		return err
	}
	if _, err := t.usable(head.card); !errors.Is(err, enroll.ErrNotFound) {
		return err
	}
	return nil
}

// allowed fails where a certificate would outlive what the account is allowed.
func (t *tx) allowed(e enroll.Enrollment) error {
	if e.Allowance == "" {
		return nil
	}
	a, err := t.account(e.Certificate.Account)
	if err != nil || a.May(e.Allowance) {
		return err
	}
	for _, one := range e.All() {
		if c := &one.Certificate; c.NotAfter.After(a.Until(e.Allowance, c.IssuedAt)) {
			return enroll.ErrNotAllowed
		}
	}
	return nil
}

// forgetNonces deletes up to limit nonces that had expired by then.
func (t *tx) forgetNonces(then time.Time, limit int) (int, error) {
	keys := t.expired(bucketNonces, then, limit)
	for _, k := range keys {
		if err := t.delete(bucketNonces, k); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

// nonceKey begins with the expiry, so that nonces are added at one end, those used at once
// side by side, and forgotten at the other. A nonce holds its expiry, so it has but one key.
func nonceKey(e enroll.Enrollment) []byte {
	key := binary.BigEndian.AppendUint32(timeKey(e.NonceExpires), uint32(e.NonceExpires.Nanosecond()))
	return append(key, e.Nonce[:]...)
}

// enrolledKey is account NUL csr.
func enrolledKey(account string, csr [32]byte) []byte {
	return append(textKey(account), csr[:]...)
}

// textKey is s and a NUL, which no name holds.
func textKey(s string) []byte { return append(append(make([]byte, 0, len(s)+41), s...), 0) }
