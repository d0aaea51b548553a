package enroll

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

const (
	verifiedFor = 5 * time.Minute
	maxVerified = 1024
)

// A verifiedSet remembers for a few minutes which passwords were right, so that
// the two or three requests of one enrollment compute argon2 once. It keeps no
// password: an entry is an HMAC under a key of this process alone
// (docs/decisions/0008-password-memory.md).
type verifiedSet struct {
	key [32]byte
	now func() time.Time

	mu    sync.Mutex // owns until
	until map[[32]byte]time.Time
}

func newVerifiedSet(now func() time.Time) *verifiedSet {
	v := &verifiedSet{now: now, until: make(map[[32]byte]time.Time)}
	_, _ = rand.Read(v.key[:]) // it never fails (crypto/rand)
	return v
}

// mark names a password of an account as long as its stored hash stays the
// same: a changed hash gives another mark, and the entry is never found again.
func (v *verifiedSet) mark(account, storedHash, password string) (out [32]byte) {
	mac := hmac.New(sha256.New, v.key[:])
	for _, part := range []string{account, storedHash, password} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	mac.Sum(out[:0])
	return out
}

func (v *verifiedSet) has(mark [32]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	until, ok := v.until[mark]
	return ok && v.now().Before(until)
}

// add remembers a mark. Where the set is full, what has expired makes room, and
// any other entry where nothing has: it costs its owner one argon2.
func (v *verifiedSet) add(mark [32]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	if len(v.until) >= maxVerified {
		for m, until := range v.until {
			if !now.Before(until) {
				delete(v.until, m)
			}
		}
	}
	for m := range v.until {
		if len(v.until) < maxVerified {
			break
		}
		delete(v.until, m)
	}
	v.until[mark] = now.Add(verifiedFor)
}
