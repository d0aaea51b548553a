package revocation

import (
	"strconv"
	"sync"
	"time"

	"signet/revocation/ocsp"
)

// maxAnswers bounds the cache: about 1.2 KiB each.
const maxAnswers = 4096

// An answerCache keeps answers signed not long ago. The status is read from the
// store for each request all the same and is part of the key, so that a
// revocation shows at once; only the signature is spared.
type answerCache struct {
	mu      sync.Mutex // owns answers
	answers map[string]cachedAnswer
}

type cachedAnswer struct {
	Answer
	until time.Time
}

// cacheKey is what the answer says, but for its times; false for an answer
// with a nonce, which is nobody else's, and for unknown serials, of which there
// are as many as anyone cares to send.
func cacheKey(t ocsp.Template) (string, bool) {
	if t.Nonce != nil {
		return "", false
	}
	var key []byte
	for _, s := range t.Singles {
		if s.Status == ocsp.Unknown {
			return "", false
		}
		key = append(key, s.ID.Raw...)
		key = append(key, byte(s.Status), byte(s.Reason))
		key = strconv.AppendInt(key, s.RevokedAt.Unix(), 16)
	}
	return string(key), true
}

func (c *answerCache) get(key string, now time.Time) (Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers[key]
	if !ok || !now.Before(a.until) || now.Before(a.Produced) {
		return Answer{}, false
	}
	return a.Answer, true
}

// put forgets everything when it is full: simple, and a signature is cheap.
func (c *answerCache) put(key string, a Answer, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers == nil || len(c.answers) >= maxAnswers {
		c.answers = make(map[string]cachedAnswer)
	}
	c.answers[key] = cachedAnswer{a, until}
}
