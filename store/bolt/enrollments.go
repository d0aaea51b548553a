package bolt

import (
	"context"
	"errors"
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
	err = s.view(ctx, func(t *tx) error {
		keys, err := t.newest(t.enrolledBy(account), limit)
		if err != nil {
			return err
		}
		for _, key := range keys {
			c, err := t.certificate(key)
			if err != nil {
				return err
			}
			certs = append(certs, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
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

// RecordEnrollment implements [enroll.Store].
func (s *Store) RecordEnrollment(ctx context.Context, e enroll.Enrollment) (cert ca.Certificate, recorded bool, err error) {
	n, err := newCertificate(e.Certificate, e.CSR)
	if err != nil {
		return cert, false, err
	}
	event, err := newEvent(e.Event)
	if err != nil {
		return cert, false, err
	}
	err = s.update(ctx, func(t *tx) (err error) {
		if known := t.get(bucketEnrolled, n.enrolled); known != nil {
			cert, err = t.certificate(known)
			recorded = false
			return err
		}
		cert, recorded = e.Certificate, true
		return t.enroll(e, n, event)
	})
	if err != nil {
		return ca.Certificate{}, false, err
	}
	return cert, recorded, nil
}

// enroll checks all of e, then stores all of it.
func (t *tx) enroll(e enroll.Enrollment, n *newCert, event []byte) error {
	code, err := t.mayEnroll(e, n)
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
	if err := t.put(bucketKeys, e.Certificate.KeyID[:], []byte(e.Certificate.Account)); err != nil {
		return err
	}
	if err := t.addCertificate(n); err != nil {
		return err
	}
	if card := e.Certificate.Card; card != nil {
		if err := t.prove(card.Serial, e.Certificate.Account, e.Certificate.IssuedAt); err != nil {
			return err
		}
	}
	return t.log(event)
}

// mayEnroll returns e's code, where it has one and nothing is in the way.
func (t *tx) mayEnroll(e enroll.Enrollment, n *newCert) (code enroll.Code, err error) {
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
	if owner, err := t.keyOwner(e.Certificate.KeyID); err == nil && owner != account {
		return code, enroll.ErrKeyTaken
	} else if err != nil && !errors.Is(err, enroll.ErrNotFound) {
		return code, err
	}
	if err := t.stands(e.Certificate.Issuer, e.Renews); err != nil {
		return code, err
	}
	if t.has(bucketCerts, n.key) {
		return code, enroll.ErrExists
	}
	return code, nil
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
	if record == nil || t.has(bucketRevoked, revokedKey(issuer, *serial)) {
		return enroll.ErrRevoked
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

// allowed fails where a temporary certificate would outlive what the account is allowed.
func (t *tx) allowed(e enroll.Enrollment) error {
	if !e.Temporary {
		return nil
	}
	a, err := t.account(e.Certificate.Account)
	if err != nil {
		return err
	}
	c := &e.Certificate
	if !a.May(c.Profile) && c.NotAfter.After(a.Until(c.Profile, c.IssuedAt)) {
		return enroll.ErrNotAllowed
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

// nonceKey begins with the expiry, so that nonces are added at one end and
// forgotten at the other. A nonce holds its expiry, so it has but one key.
func nonceKey(e enroll.Enrollment) []byte { return append(timeKey(e.NonceExpires), e.Nonce[:]...) }

// enrolledKey is account NUL csr.
func enrolledKey(account string, csr [32]byte) []byte {
	return append(textKey(account), csr[:]...)
}

// textKey is s and a NUL, which no name holds.
func textKey(s string) []byte { return append(append(make([]byte, 0, len(s)+41), s...), 0) }
