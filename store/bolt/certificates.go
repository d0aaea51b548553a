package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"signet/ca"
	"signet/enroll"
	"signet/internal/audit"
	"signet/revocation"
)

// RecordCertificate implements [enroll.Store].
func (s *Store) RecordCertificate(ctx context.Context, c ca.Certificate, e audit.Event) error {
	// No CSR has the digest of this certificate; under it, the account that it may have finds it.
	n, err := newCertificate(c, sha256.Sum256(c.DER))
	if err != nil {
		return err
	}
	event, err := newEvent(e)
	if err != nil {
		return err
	}
	return s.update(ctx, func(t *tx) error {
		if t.has(bucketCerts, n.key) {
			return enroll.ErrExists
		}
		return errors.Join(t.addCertificate(n), t.log(event))
	})
}

// Certificate implements [revocation.Store].
func (s *Store) Certificate(ctx context.Context, issuer string, serial ca.Serial) (c ca.Certificate, err error) {
	err = s.view(ctx, func(t *tx) error {
		c, err = t.certificate(certKey(issuer, serial))
		return err
	})
	return c, err
}

// Certificates implements [revocation.Store].
func (s *Store) Certificates(ctx context.Context, f revocation.Filter, yield func(ca.Certificate) bool) error {
	return s.view(ctx, func(t *tx) error {
		for key := range t.candidates(f) {
			if err := s.turnPages(ctx, t, pagesPerCertificate); err != nil {
				return err
			}
			c, err := t.certificate(key)
			if err != nil {
				return err
			}
			if matches(f, &c) && !yield(c) {
				return nil
			}
		}
		return nil
	})
}

// turnPages counts n more pages of a long reading, and ends it when ctx has ended.
func (s *Store) turnPages(ctx context.Context, t *tx, n int) error {
	s.pages.touched(t.Tx, n)
	return ctx.Err()
}

// candidates are the keys, in order, of the certificates that f may let through.
func (t *tx) candidates(f revocation.Filter) func(yield func(key []byte) bool) {
	if f.Account != "" {
		return slices.Values(t.enrolledBy(f.Account))
	}
	if keys, few := t.expiring(f); few {
		return slices.Values(keys)
	}
	var prefix []byte
	if f.Issuer != "" {
		prefix = textKey(f.Issuer)
	}
	return func(yield func([]byte) bool) {
		for k := range pairs(t.Bucket(bucketCerts).Cursor(), prefix) {
			if !yield(k) {
				return
			}
		}
	}
}

// enrolledBy are the keys of the account's certificates, in order.
func (t *tx) enrolledBy(account string) (keys [][]byte) {
	for _, key := range pairs(t.Bucket(bucketEnrolled).Cursor(), textKey(account)) {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// expiring are the keys of those that expire in time for f, in order, where f asks for
// that and they are few enough to be sorted in memory.
func (t *tx) expiring(f revocation.Filter) (keys [][]byte, few bool) {
	if f.ExpiresBefore.IsZero() {
		return nil, false
	}
	end := timeKey(f.ExpiresBefore)
	for k := range pairs(t.Bucket(bucketExpiry).Cursor(), nil) {
		if bytes.Compare(k[:8], end) > 0 {
			break
		}
		if keys = append(keys, k[8:]); len(keys) > 10_000 {
			return nil, false
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys, true
}

func matches(f revocation.Filter, c *ca.Certificate) bool {
	switch {
	case f.Account != "" && c.Account != f.Account,
		f.Issuer != "" && c.Issuer != f.Issuer,
		f.Profile != "" && c.Profile != f.Profile,
		f.CardSerial != 0 && (c.Card == nil || c.Card.Serial != f.CardSerial),
		!f.ExpiresBefore.IsZero() && !c.NotAfter.Before(f.ExpiresBefore),
		f.Revoked != nil && c.Revoked() != *f.Revoked,
		f.Leaf && c.Account == "":
		return false
	}
	return true
}

// A newCert is a certificate ready to be stored: all that can be made ready
// outside of the writer.
type newCert struct {
	key, record      []byte
	enrolled, expiry []byte // keys in bucketEnrolled, bucketExpiry; enrolled nil without an account
}

func newCertificate(c ca.Certificate, csr [32]byte) (*newCert, error) {
	if c.Issuer == "" || c.Revocation != nil {
		return nil, fmt.Errorf("certificate %s can't be recorded: it has no issuer, or is revoked already", c.Serial)
	}
	record, err := certRecord(&c)
	if err != nil {
		return nil, err
	}
	n := &newCert{key: certKey(c.Issuer, c.Serial), record: record}
	n.expiry = expiryKey(&c)
	if c.Account != "" {
		n.enrolled = enrolledKey(c.Account, csr)
	}
	return n, nil
}

func (t *tx) addCertificate(n *newCert) error {
	if err := t.put(bucketCerts, n.key, n.record); err != nil {
		return err
	}
	if err := t.put(bucketExpiry, n.expiry, present); err != nil || n.enrolled == nil {
		return err
	}
	return t.put(bucketEnrolled, n.enrolled, n.key)
}

// certificate returns the certificate with that key, and what became of it.
func (t *tx) certificate(key []byte) (ca.Certificate, error) {
	record := t.get(bucketCerts, key)
	if record == nil {
		return ca.Certificate{}, revocation.ErrNotFound
	}
	c, err := readCert(key, record)
	if err != nil {
		return c, err
	}
	c.Revocation, err = t.revocation(c.Issuer, c.Serial)
	return c, err
}

// certKey is issuer NUL serial, but with the serial's first octet last. That octet is
// random and what follows it counts up (see [ca.Serial]), so certificates are
// added at the end of the bucket: a commit writes each once instead of
// 32 pages, each with its neighbours.
func certKey(issuer string, serial ca.Serial) []byte {
	return append(append(textKey(issuer), serial[1:]...), serial[0])
}

// expiryKey is c's in bucketExpiry.
func expiryKey(c *ca.Certificate) []byte {
	return append(timeKey(c.NotAfter), certKey(c.Issuer, c.Serial)...)
}

// parseCertKey is the reverse of certKey.
func parseCertKey(key []byte) (issuer string, serial ca.Serial, err error) {
	n := len(key) - len(serial)
	if n < 1 {
		return "", serial, fmt.Errorf("%w: certificate's key", ErrCorrupt)
	}
	serial[0] = key[len(key)-1]
	copy(serial[1:], key[n:])
	return string(key[:n-1]), serial, nil
}
