package revocation

import (
	"sync"
	"time"
)

const (
	// clockJump is by how much the wall clock and the time that has gone by must
	// differ to call it a jump: more than a clock is ever slewed between two looks.
	clockJump = time.Minute
	// clockTrust is how long after a jump forward expired entries stay on the CRL: it may
	// have been a mistake, and what has left does not come back.
	clockTrust = 24 * time.Hour
)

// A clock notices when the wall clock is set.
type clock struct {
	now func() time.Time

	mu    sync.Mutex // owns the fields below
	wall  time.Time  // at the last look, without its monotonic part
	at    time.Time  // with it; zero before the first look
	ahead time.Time  // when it was last seen to jump forward
}

// look returns by how much the clock was set since the last look; 0 for not.
func (c *clock) look() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, at := c.now().Round(0), time.Now()
	defer func() { c.wall, c.at = wall, at }()
	if c.at.IsZero() {
		return 0
	}
	jump := wall.Sub(c.wall) - at.Sub(c.at)
	if jump.Abs() < clockJump {
		return 0
	}
	if jump > 0 {
		c.ahead = at
	}
	return jump
}

// steady reports whether what has expired may be taken for expired.
func (c *clock) steady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead.IsZero() || time.Since(c.ahead) >= clockTrust
}
