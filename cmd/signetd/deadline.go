package main

import (
	"errors"
	"net"
	"os"
	"sync"
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
	lazy.read.set, lazy.write.set = c.SetReadDeadline, c.SetWriteDeadline
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

type lazyDeadline struct {
	set func(time.Time) error // the connection's

	mu     sync.Mutex // owns the three below
	wanted time.Time  // zero for none
	armed  time.Time  // which was set last; zero for none; never after wanted
	past   bool       // armed was over when it was set: whoever waits is to stop
}

// want sets a deadline where the last one set would be too late, or is over.
func (d *lazyDeadline) want(t time.Time) error {
	d.mu.Lock()
	d.wanted = t
	var err error
	if d.armed.IsZero() || d.past || (!t.IsZero() && t.Before(d.armed)) {
		err = d.arm(time.Now())
	}
	d.mu.Unlock()
	return err
}

// again reports whether the deadline came too early, and sets the next one if so.
func (d *lazyDeadline) again() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	return (d.wanted.IsZero() || d.wanted.After(now)) && d.arm(now) == nil
}

// arm sets what is wanted, or an earlier deadline; the caller holds mu.
func (d *lazyDeadline) arm(now time.Time) error {
	d.armed = now.Add(lazySpan)
	if !d.wanted.IsZero() && d.wanted.Before(d.armed) {
		d.armed = d.wanted
	}
	d.past = !d.armed.After(now)
	return d.set(d.armed)
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
