package enroll

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// PasswordParams are what hashing a password costs. The zero value is 7 MiB,
// five passes, one lane: of the settings that OWASP holds equal, the one with
// the least memory, since the server's must stay small. A stored hash keeps the
// parameters it was made with and is made anew, once its password is presented.
type PasswordParams struct {
	Memory  uint32 // KiB; 0 means 7168
	Time    uint32 // passes; 0 means 5
	Threads uint8  // lanes; 0 means 1
	// AtOnce is how many hashes are computed at the same time; 0 means 1. With
	// Memory it bounds what logging in can take; of two processors, one is left
	// for everything else however many log in.
	AtOnce int
	// Waiting is how many more may wait for their turn; 0 means 256. Beyond
	// that an attempt fails with *[BusyError].
	Waiting int
}

// The bounds on parameters, also those in a stored hash: who could write to the
// store must not be able to stop the server with one login.
const (
	maxMemory  = 256 << 10 // KiB
	maxTime    = 64
	maxThreads = 16
)

func (p PasswordParams) withDefaults() PasswordParams {
	if p.Memory == 0 {
		p.Memory = 7168
	}
	if p.Time == 0 {
		p.Time = 5
	}
	if p.Threads == 0 {
		p.Threads = 1
	}
	if p.AtOnce <= 0 {
		p.AtOnce = 1
	}
	if p.Waiting <= 0 {
		p.Waiting = 256
	}
	return p
}

func (p PasswordParams) check() error {
	if p.Memory > maxMemory || p.Time > maxTime || p.Threads > maxThreads {
		return fmt.Errorf("password parameters m=%d,t=%d,p=%d: at most %d, %d and %d",
			p.Memory, p.Time, p.Threads, maxMemory, maxTime, maxThreads)
	}
	// RFC 9106, Section 3.1: m is at least 8 times p.
	if p.Memory < 8*uint32(p.Threads) || p.Time < 1 || p.Threads < 1 {
		return fmt.Errorf("password parameters m=%d,t=%d,p=%d: m is at least 8 times p, and t and p are 1 or more",
			p.Memory, p.Time, p.Threads)
	}
	return nil
}

// A passwordHash is an argon2id hash with all that it takes to compute it
// again. Its text is a PHC string, "$argon2id$v=19$m=7168,t=5,p=1$salt$hash":
// https://github.com/P-H-C/phc-string-format
type passwordHash struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

var phcText = base64.RawStdEncoding.Strict()

func (h *passwordHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads,
		phcText.EncodeToString(h.salt), phcText.EncodeToString(h.sum))
}

var errPHC = errors.New("not the PHC string of an argon2id hash")

// parsePasswordHash reads what String writes, within the bounds.
func parsePasswordHash(s string) (*passwordHash, error) {
	parts := strings.Split(s, "$")
	if len(s) > 512 || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" ||
		parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, errPHC
	}
	h, err := parseCost(parts[3])
	if err != nil {
		return nil, err
	}
	if h.salt, err = phcText.DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return nil, errPHC
	}
	if h.sum, err = phcText.DecodeString(parts[5]); err != nil || len(h.sum) < 16 || len(h.sum) > 64 {
		return nil, errPHC
	}
	if h.String() != s { // encoding/base64 lets line breaks pass
		return nil, errPHC
	}
	return h, nil
}

// parseCost reads "m=7168,t=5,p=1".
func parseCost(s string) (*passwordHash, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return nil, errPHC
	}
	var values [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(fields[i], name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
			return nil, errPHC
		}
		values[i] = n
	}
	if values[2] > maxThreads {
		return nil, errPHC
	}
	p := PasswordParams{Memory: uint32(values[0]), Time: uint32(values[1]), Threads: uint8(values[2])}
	if err := p.check(); err != nil {
		return nil, err
	}
	return &passwordHash{memory: p.Memory, time: p.Time, threads: p.Threads}, nil
}

// A hasher computes argon2id, a few at a time.
type hasher struct {
	params PasswordParams
	turns  chan struct{} // holds one for each that computes
	queue  chan struct{} // holds one for each that computes or waits
	// dummy stands in for the hash of an account that has none or isn't there.
	dummy    *passwordHash
	computed atomic.Int64 // how many were computed, for tests
}

func newHasher(p PasswordParams) (*hasher, error) {
	p = p.withDefaults()
	if err := p.check(); err != nil {
		return nil, err
	}
	h := &hasher{params: p, turns: make(chan struct{}, p.AtOnce), queue: make(chan struct{}, p.AtOnce+p.Waiting)}
	h.dummy = h.blank()
	h.dummy.sum = make([]byte, sumLength)
	_, _ = rand.Read(h.dummy.sum) // no password has it
	return h, nil
}

const sumLength = 32

// blank is a hash of today's parameters with a new salt and no sum.
func (h *hasher) blank() *passwordHash {
	out := &passwordHash{memory: h.params.Memory, time: h.params.Time, threads: h.params.Threads, salt: make([]byte, 16)}
	_, _ = rand.Read(out.salt) // it never fails (crypto/rand)
	return out
}

// enter waits for a turn; leave ends it. It fails with *[BusyError] or the
// context's error.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.queue <- struct{}{}:
	default:
		return nil, &BusyError{After: 2 * time.Second}
	}
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns; <-h.queue }, nil
	case <-ctx.Done():
		<-h.queue
		return nil, ctx.Err()
	}
}

// derive computes; the caller has its turn.
func (h *hasher) derive(password string, p *passwordHash, length int) []byte {
	h.computed.Add(1)
	// RFC 8265, Section 4.2.2: one password typed on two systems is one string.
	return argon2.IDKey(norm.NFC.Bytes([]byte(password)), p.salt, p.time, p.memory, p.threads, uint32(length))
}

// matches reports whether the password has the hash; the caller has its turn.
func (h *hasher) matches(password string, p *passwordHash) bool {
	return subtle.ConstantTimeCompare(h.derive(password, p, len(p.sum)), p.sum) == 1
}

// make hashes a password with today's parameters; the caller has its turn.
func (h *hasher) make(password string) string {
	p := h.blank()
	p.sum = h.derive(password, p, sumLength)
	return p.String()
}

// hash waits for a turn and hashes.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return h.make(password), nil
}

// outdated reports whether p was made with other parameters than today's.
func (h *hasher) outdated(p *passwordHash) bool {
	return p.memory != h.params.Memory || p.time != h.params.Time || p.threads != h.params.Threads
}

// The length of a password, in bytes. NIST SP 800-63B, Section 3.1.1.2: at least 8
// characters, long ones let in, no rules on what is in them.
const (
	minPassword = 8
	maxPassword = 1024
)

func checkPassword(account, password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return fmt.Errorf("a password has at least %d characters", minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("a password has at most %d bytes", maxPassword)
	case !utf8.ValidString(password):
		return errors.New("a password is text in UTF-8")
	case strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		// RFC 7617, Section 2: HTTP Basic can't carry control characters.
		return errors.New("a password has no control characters")
	case strings.EqualFold(password, account):
		return errors.New("the account's name is no password")
	}
	return nil
}
