package enroll

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A Nonce shows that a CSR was signed just now and for this server: an
// attestation has no date of its own. It is 40 bytes: when it expires
// (nanoseconds since 1970, 8 bytes, big-endian), 16 random ones, and 16 of an
// HMAC-SHA256 over both and the account's name. The server keeps only those that
// were used. In JSON it is base64url without padding.
type Nonce []byte

const (
	nonceLength = 8 + 16 + 16
	nonceTTL    = 15 * time.Minute
)

var nonceText = base64.RawURLEncoding

// MarshalText is base64url.
func (n Nonce) MarshalText() ([]byte, error) { return nonceText.AppendEncode(nil, n), nil }

// UnmarshalText reads what MarshalText wrote.
func (n *Nonce) UnmarshalText(text []byte) error {
	if len(text) > nonceText.EncodedLen(nonceLength) {
		return errors.New("a nonce that long is not this server's")
	}
	out, err := nonceText.Strict().AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("reading a nonce: %w", err)
	}
	if Nonce(out).String() != string(text) { // encoding/base64 lets line breaks pass
		return errors.New("reading a nonce: not in its one form")
	}
	*n = out
	return nil
}

// String is base64url.
func (n Nonce) String() string { return nonceText.EncodeToString(n) }

// expires is when the nonce ends; n has its full length.
func (n Nonce) expires() time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(n))).UTC()
}

// A noncer makes nonces and knows its own again.
type noncer struct {
	secret [32]byte
	now    func() time.Time
}

// newNoncer takes the secret from the store, so that a nonce outlives a restart.
func newNoncer(ctx context.Context, store Store, now func() time.Time) (*noncer, error) {
	secret, err := store.Secret(ctx, "nonce")
	if err != nil {
		return nil, fmt.Errorf("reading the nonces' secret: %w", err)
	}
	return &noncer{secret: secret, now: now}, nil
}

func (m *noncer) make(account string) Nonce {
	n := make(Nonce, nonceLength)
	binary.BigEndian.PutUint64(n, uint64(m.now().Add(nonceTTL).UnixNano()))
	_, _ = rand.Read(n[8:24]) // it never fails (crypto/rand)
	copy(n[24:], m.tag(n[:24], account))
	return n
}

func (m *noncer) tag(head []byte, account string) []byte {
	mac := hmac.New(sha256.New, m.secret[:])
	mac.Write(head)
	mac.Write([]byte(account))
	return mac.Sum(nil)[:16]
}

// check refuses a nonce that this server did not make for this account, or
// whose time is over. Whether it was used before, the store knows.
func (m *noncer) check(n Nonce, account string) error {
	if len(n) != nonceLength || !hmac.Equal(n[24:], m.tag(n[:24], account)) {
		return refuse("nonce.account", "the nonce in the CSR is not one that this server gave to "+account)
	}
	if m.now().After(n.expires()) {
		return refuse("nonce.expired", "the nonce in the CSR ended "+n.expires().Format(time.RFC3339))
	}
	return nil
}
