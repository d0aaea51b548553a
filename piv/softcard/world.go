package softcard

import (
	"context"
	"sync"
	"time"
)

// world is what happens to a card from outside: it is plugged in and out,
// touched, held by another program, and made to fail. None of it waits for an
// APDU to end.
type world struct {
	mu      sync.Mutex
	plugged bool
	gone    chan struct{} // closed when the card is pulled out
	plugs   int           // how often it was plugged in
	power   int           // how often it was powered up or reset
	held    bool
	faults  []*Fault
	trace   []Exchange
	count   int
	touch   touchPad
	watch   map[int]func()
	nextID  int
}

// turn is one APDU's view of the world.
type turn struct {
	power int
	gone  <-chan struct{}
	fault Fault
	entry Exchange
}

func (w *world) setUp() {
	w.watch = map[int]func(){}
	w.touch.setUp()
	w.plugged, w.gone, w.plugs, w.power = true, make(chan struct{}), 1, 1
}

// begin counts an APDU and picks the fault that it meets.
func (c *Card) begin(apdu []byte) (turn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.plugged {
		return turn{}, ErrUnplugged
	}
	c.count++
	t := turn{power: c.power, gone: c.gone, entry: newExchange(c.count, apdu)}
	t.fault = c.nextFault(t.entry.INS)
	return t, nil
}

// pause waits as long as a fault of the kind Delay says.
func (t turn) pause(ctx context.Context) error {
	if t.fault.Delay <= 0 {
		return nil
	}
	timer := time.NewTimer(t.fault.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.gone:
		return ErrUnplugged
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unplug pulls the card out: an APDU under way gets no answer, and the reader
// goes with the card, as a YubiKey is both.
func (c *Card) Unplug() {
	c.change(func() bool {
		if !c.plugged {
			return false
		}
		c.plugged = false
		close(c.gone)
		return true
	})
}

// Plug puts the card back in; nothing is verified any more.
func (c *Card) Plug() {
	c.change(func() bool {
		if c.plugged {
			return false
		}
		c.plugged, c.gone = true, make(chan struct{})
		c.plugs++
		c.power++
		return true
	})
}

// Hold makes the card look as if another program had it exclusively: every
// other one gets SCARD_E_SHARING_VIOLATION until Release.
func (c *Card) Hold() {
	c.change(func() bool { was := c.held; c.held = true; return !was })
}

// Release ends Hold.
func (c *Card) Release() {
	c.change(func() bool { was := c.held; c.held = false; return was })
}

// PowerCycle resets the card: what was verified is forgotten.
func (c *Card) PowerCycle() {
	c.change(func() bool { c.power++; return false })
}

// change runs f under the lock, and tells the watchers if it says true.
func (c *Card) change(f func() bool) {
	c.mu.Lock()
	var tell []func()
	if f() {
		for _, fn := range c.watch {
			tell = append(tell, fn)
		}
	}
	c.mu.Unlock()
	for _, fn := range tell {
		fn()
	}
}

// onChange has fn called, from any goroutine, after the card was plugged,
// unplugged, held or released.
func (c *Card) onChange(fn func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.nextID
	c.nextID++
	c.watch[id] = fn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watch, id)
	}
}

// presence is the world as a reader sees it.
type presence struct {
	plugged, held bool
	plugs         int
	gone          <-chan struct{}
}

func (c *Card) presence() presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return presence{plugged: c.plugged, held: c.held, plugs: c.plugs, gone: c.gone}
}

// Plugged says whether the card is plugged in.
func (c *Card) Plugged() bool { return c.presence().plugged }
