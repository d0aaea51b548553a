package enroll

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// How long a code may be good, and is when nothing is said.
const (
	DefaultCodeTTL = 24 * time.Hour
	MaxCodeTTL     = 30 * 24 * time.Hour
	renewalTTL     = time.Hour
)

// codeBytes is 128 bits: beyond guessing, so that SHA-256 is all the hashing
// that a code needs.
const codeBytes = 16

// crockford is Crockford's base32: no I, L, O or U, which are misread.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// Codes makes one-time codes.
type Codes struct {
	store  Store
	logger *slog.Logger
	now    func() time.Time
}

// NewCodes makes the service on store; logger nil means no log, now nil time.Now.
func NewCodes(store Store, logger *slog.Logger, now func() time.Time) *Codes {
	return &Codes{store: store, logger: orDiscard(logger), now: orNow(now)}
}

func orDiscard(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return logger
}

func orNow(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// New makes a code with which account may enroll once, for profile or, where
// that is "", for any that the account may have. ttl 0 means [DefaultCodeTTL].
// by is the actor. The secret is returned here and kept nowhere. It fails with
// [ErrNotFound] where there is no such account, and with *[RefusedError].
func (c *Codes) New(ctx context.Context, account, profile string, ttl time.Duration, by string) (string, Code, error) {
	if ttl == 0 {
		ttl = DefaultCodeTTL
	}
	if ttl < 0 || ttl > MaxCodeTTL {
		return "", Code{}, input(fmt.Errorf("a code is good for at most %s", MaxCodeTTL))
	}
	a, err := c.store.Account(ctx, account)
	if err != nil {
		return "", Code{}, fmt.Errorf("account %q: %w", account, err)
	}
	if err := mayEnroll(&a, profile, c.now()); err != nil {
		return "", Code{}, err
	}
	return c.add(ctx, Code{Account: account, Profile: profile, By: by}, ttl)
}

// renew makes the code with which the holder of cert may enroll a new key.
func (c *Codes) renew(ctx context.Context, cert *ca.Certificate) (string, Code, error) {
	serial := cert.Serial
	return c.add(ctx, Code{Account: cert.Account, Profile: cert.Profile, By: cert.Account, Renews: &serial}, renewalTTL)
}

func mayEnroll(a *Account, profile string, now time.Time) error {
	if a.Disabled {
		return refuse("account.disabled", "the account "+a.Name+" is disabled")
	}
	if profile != "" && !a.mayAt(profile, now) {
		return refusef("profile.denied", "the account %s may not have the profile %q", a.Name, profile)
	}
	return nil
}

func (c *Codes) add(ctx context.Context, code Code, ttl time.Duration) (string, Code, error) {
	var secret [codeBytes]byte
	_, _ = rand.Read(secret[:]) // it never fails (crypto/rand)
	code.Hash = sha256.Sum256(secret[:])
	code.Created = c.now().UTC().Truncate(time.Second)
	code.Expires = code.Created.Add(ttl)
	e := audit.Event{Time: c.now().UTC(), Actor: code.By, Action: "code.new", Object: code.Account, Detail: map[string]string{
		"profile": code.Profile, "expires": code.Expires.Format(time.RFC3339),
	}}
	if code.Renews != nil {
		e.Detail["renews"] = code.Renews.String()
	}
	if err := c.store.AddCode(ctx, code, e); err != nil {
		return "", Code{}, fmt.Errorf("storing the code: %w", err)
	}
	audit.Log(ctx, c.logger, "end", e)
	return formatCode(secret), code, nil
}

// formatCode writes a code for people: 26 characters in groups,
// "ABCDE-FGHJK-MNPQR-STVWX-YZ0123".
func formatCode(secret [codeBytes]byte) string {
	s := crockford.EncodeToString(secret[:])
	return strings.Join([]string{s[:5], s[5:10], s[10:15], s[15:20], s[20:]}, "-")
}

// codeSpelling is how people write a code, brought to one spelling.
var codeSpelling = strings.NewReplacer("-", "", " ", "", "\t", "", "\r", "", "\n", "", "O", "0", "I", "1", "L", "1")

var errCodeForm = errors.New("not an enrollment code: want 26 letters and digits")

// ParseCode reads a code as a person typed it and returns the hash under which
// it is stored. Case, dashes and spaces don't matter; O is read as 0, I and L as 1.
func ParseCode(s string) (hash [32]byte, err error) {
	if len(s) > 128 {
		return hash, errCodeForm
	}
	s = codeSpelling.Replace(strings.ToUpper(s))
	if len(s) != crockford.EncodedLen(codeBytes) {
		return hash, errCodeForm
	}
	secret, err := crockford.DecodeString(s)
	if err != nil {
		return hash, errCodeForm
	}
	return sha256.Sum256(secret), nil
}
