package main

import (
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A lazyListener's connections have lazy deadlines. An http.Server with timeouts
// sets and lifts a deadline six times for each request, and each time the runtime
// moves a timer: a tenth of what a short answer costs.
type lazyListener struct{ net.Listener }

func (l lazyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	lazy := &lazyConn{Conn: c}
	lazy.read.init(c.SetReadDeadline)
	lazy.write.init(c.SetWriteDeadline)
	return lazy, nil
}

// A lazyConn remembers its deadlines and seldom sets one: that which is set may come
// before the one that is wanted, never after it, and when it comes too early
// the reading or writing just goes on.
type lazyConn struct {
	net.Conn
	read, write lazyDeadline
}

// lazySpan is how far ahead a deadline is set at most. A server's timeouts are no
// shorter, so that setting them again changes nothing most of the time.
const lazySpan = 10 * time.Second

// A lazyDeadline counts in nanoseconds from when its connection came, by the clock
// that nobody sets.
type lazyDeadline struct {
	set  func(time.Time) error // the connection's
	came time.Time

	wanted atomic.Int64
	armed  atomic.Int64 // which was set last; written by who holds mu
	mu     sync.Mutex   // held while one is set
}

// Special values of a lazyDeadline's numbers.
const (
	never = math.MaxInt64 // no deadline
	over  = math.MinInt64 // of armed: it was over when it was set, and must be set anew
)

func (d *lazyDeadline) init(set func(time.Time) error) {
	d.set, d.came = set, time.Now()
	d.wanted.Store(never)
	d.armed.Store(never)
}

// want sets a deadline where the last one set would be too late, or is over.
func (d *lazyDeadline) want(t time.Time) error {
	w := int64(never)
	if !t.IsZero() {
		w = int64(t.Sub(d.came))
	}
	d.wanted.Store(w)
	if a := d.armed.Load(); a != over && w >= a {
		return nil
	}
	return d.arm()
}

// again reports whether the deadline came too early, and sets the next one if so.
func (d *lazyDeadline) again() bool {
	return d.wanted.Load() > int64(time.Since(d.came)) && d.arm() == nil
}

// arm sets what is wanted, or an earlier deadline.
func (d *lazyDeadline) arm() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		now := int64(time.Since(d.came))
		next := min(d.wanted.Load(), now+int64(lazySpan))
		if next <= now {
			d.armed.Store(over)
		} else {
			d.armed.Store(next)
		}
		err := d.set(d.came.Add(time.Duration(next)))
		if err != nil || d.wanted.Load() >= next {
			return err
		}
		// Somebody wants an earlier one by now, and may have seen the one that was armed before.
	}
}

func (c *lazyConn) SetReadDeadline(t time.Time) error  { return c.read.want(t) }
func (c *lazyConn) SetWriteDeadline(t time.Time) error { return c.write.want(t) }

func (c *lazyConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *lazyConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !c.read.again() {
			return n, err
		}
	}
}

func (c *lazyConn) Write(p []byte) (done int, err error) {
	for {
		n, err := c.Conn.Write(p[done:])
		done += n
		if !errors.Is(err, os.ErrDeadlineExceeded) || !c.write.again() {
			return done, err
		}
	}
}
