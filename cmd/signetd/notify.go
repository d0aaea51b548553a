package main

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// notify tells systemd the state of a Type=notify service (sd_notify(3)). It does
// nothing where there is no systemd to listen.
func (s *server) notify(state string) {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	// A name that begins with '@' is an abstract one, which package net knows.
	conn, err := net.Dial("unixgram", address)
	if err == nil {
		_, err = conn.Write([]byte(state))
		conn.Close()
	}
	if err != nil {
		s.logger.Warn("the service manager can't be told", "state", state, "error", err)
	}
}

// monotonic is CLOCK_MONOTONIC in microseconds, which RELOADING=1 must carry.
func monotonic() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return ts.Nano() / 1000
}
