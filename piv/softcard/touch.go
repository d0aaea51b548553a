package softcard

import (
	"context"
	"time"
)

// TouchMode says what happens when the card wants to be touched.
type TouchMode string

// The touch modes.
const (
	TouchAuto   TouchMode = "auto"   // it touches itself, at once
	TouchWait   TouchMode = "wait"   // it waits for Touch, and gives up after the timeout
	TouchRefuse TouchMode = "refuse" // nobody touches it; it gives up at once
)

// touchCache is how long a touch counts for keys of the policy "cached".
const touchCache = 15 * time.Second

// touchPad is where the finger goes. The world's mutex guards it.
type touchPad struct {
	mode    TouchMode
	finger  chan struct{} // closed by Touch while a command waits, else nil
	waiting chan struct{} // closed when a command begins to wait
}

func (p *touchPad) setUp() { p.mode, p.waiting = TouchAuto, make(chan struct{}) }

// SetTouch chooses the mode; it holds from the next wish for a touch on.
func (c *Card) SetTouch(m TouchMode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touch.mode = m
}

// TouchMode is the mode in force.
func (c *Card) TouchMode() TouchMode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.touch.mode
}

// Touch touches a card that waits, and says whether it did wait.
func (c *Card) Touch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.touch.finger == nil {
		return false
	}
	close(c.touch.finger)
	c.touch.finger = nil
	return true
}

// AwaitTouch returns once the card waits for a touch.
func (c *Card) AwaitTouch(ctx context.Context) error {
	for {
		c.mu.Lock()
		waits, begins := c.touch.finger != nil, c.touch.waiting
		c.mu.Unlock()
		if waits {
			return nil
		}
		select {
		case <-begins:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Waiting says whether the card waits for a touch.
func (c *Card) Waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.touch.finger != nil
}

// extendFinger begins a wait; the channel is closed by Touch. It is nil if no
// wait is needed, and then touched says how it ended.
func (c *Card) extendFinger() (finger chan struct{}, touched bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.touch.mode != TouchWait {
		return nil, c.touch.mode == TouchAuto
	}
	c.touch.finger = make(chan struct{})
	close(c.touch.waiting)
	c.touch.waiting = make(chan struct{})
	return c.touch.finger, false
}

func (c *Card) withdrawFinger() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touch.finger = nil
}

// touched asks for a touch and says whether it came.
func (c *Card) touched(ctx context.Context) bool {
	finger, done := c.extendFinger()
	if finger == nil {
		return done
	}
	defer c.withdrawFinger()
	timer := time.NewTimer(c.cfg.TouchTimeout)
	defer timer.Stop()
	select {
	case <-finger:
		return true
	case <-timer.C:
	case <-c.ses.gone:
	case <-ctx.Done():
	}
	return false
}

// allowTouch asks for the touch that a policy wants.
func (c *Card) allowTouch(ctx context.Context, p TouchPolicy) bool {
	now := c.cfg.Now()
	switch p {
	case TouchAlways:
		return c.touched(ctx)
	case TouchCached:
		if !c.ses.touchedAt.IsZero() && now.Sub(c.ses.touchedAt) < touchCache {
			return true
		}
		if !c.touched(ctx) {
			return false
		}
		c.ses.touchedAt = c.cfg.Now()
	}
	return true
}
