package main

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A countingConn counts how often a deadline is really set.
type countingConn struct {
	net.Conn
	set atomic.Int32
}

func (c *countingConn) SetReadDeadline(t time.Time) error {
	c.set.Add(1)
	return c.Conn.SetReadDeadline(t)
}

func (c *countingConn) SetWriteDeadline(t time.Time) error {
	c.set.Add(1)
	return c.Conn.SetWriteDeadline(t)
}

// oneConn is a listener with one connection.
type oneConn struct {
	net.Listener
	conn net.Conn
}

func (l oneConn) Accept() (net.Conn, error) { return l.conn, nil }

// lazily runs test in a bubble, with both ends of a connection, ours lazy.
func lazily(t *testing.T, test func(t *testing.T, ours, theirs net.Conn, counted *countingConn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		counted := &countingConn{Conn: a}
		ours, err := lazyListener{oneConn{conn: counted}}.Accept()
		if err != nil {
			t.Fatal(err)
		}
		test(t, ours, b, counted)
		ours.Close()
		b.Close()
	})
}

// endsAfter reads, and wants to be cut off after so long.
func endsAfter(t *testing.T, c net.Conn, want time.Duration) {
	t.Helper()
	start := time.Now()
	n, err := c.Read(make([]byte, 1))
	if took := time.Since(start); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != want {
		t.Errorf("after %v: %d octets, %v; want it to end after %v", took, n, err, want)
	}
}

func TestLazyDeadlinesEndOnTime(t *testing.T) {
	lazily(t, func(t *testing.T, ours, _ net.Conn, _ *countingConn) {
		for _, d := range []time.Duration{time.Second, lazySpan, 35 * time.Second, 2 * time.Minute} {
			ours.SetReadDeadline(time.Now().Add(d))
			endsAfter(t, ours, d)
		}
		ours.SetReadDeadline(time.Unix(1, 0)) // as an http.Server ends a reading under way
		endsAfter(t, ours, 0)
		ours.SetReadDeadline(time.Time{})
		ours.SetDeadline(time.Now().Add(15 * time.Second))
		endsAfter(t, ours, 15*time.Second)
	})
}

func TestLazyDeadlinesMoveWhileReading(t *testing.T) {
	lazily(t, func(t *testing.T, ours, _ net.Conn, _ *countingConn) {
		ours.SetReadDeadline(time.Now().Add(time.Minute))
		time.AfterFunc(3*time.Second, func() { ours.SetReadDeadline(time.Now().Add(time.Second)) })
		endsAfter(t, ours, 4*time.Second)
		ours.SetReadDeadline(time.Now().Add(5 * time.Second))
		time.AfterFunc(3*time.Second, func() { ours.SetReadDeadline(time.Now().Add(time.Minute)) })
		endsAfter(t, ours, 63*time.Second)
		ours.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, func() { ours.SetReadDeadline(time.Unix(1, 0)) })
		endsAfter(t, ours, time.Hour)
	})
}

func TestLazyDeadlinesLetThrough(t *testing.T) {
	lazily(t, func(t *testing.T, ours, theirs net.Conn, counted *countingConn) {
		ours.SetReadDeadline(time.Now().Add(time.Minute))
		time.AfterFunc(45*time.Second, func() { theirs.Write([]byte("x")) })
		if n, err := ours.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		// Half of it is taken at once, half only after the first deadline that is set.
		ours.SetWriteDeadline(time.Now().Add(time.Minute))
		go func() {
			theirs.Read(make([]byte, 5))
			time.Sleep(30 * time.Second)
			theirs.Read(make([]byte, 5))
		}()
		if n, err := ours.Write(make([]byte, 10)); n != 10 || err != nil {
			t.Errorf("written %d, %v", n, err)
		}
		if n, err := ours.Write(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("nobody reads: written %d, %v", n, err)
		}
		before := counted.set.Load()
		ours.SetReadDeadline(time.Now().Add(lazySpan))
		for range 100 { // requests
			ours.SetReadDeadline(time.Now().Add(10 * time.Second))
			ours.SetReadDeadline(time.Now().Add(30 * time.Second))
			ours.SetReadDeadline(time.Time{})
		}
		if n := counted.set.Load() - before; n > 1 {
			t.Errorf("deadlines were set %d times for nothing", n)
		}
	})
}
