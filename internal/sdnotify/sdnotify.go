// Package sdnotify tells systemd the state of a Type=notify service (sd_notify(3)).
// Where no systemd listens it does nothing.
package sdnotify

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Ready is the state of a service that serves.
func Ready() string { return "READY=1\nMAINPID=" + strconv.Itoa(os.Getpid()) }

// Reloading is the state of a service that reads its configuration again; Ready ends it.
func Reloading() string { return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic()) }

// Stopping is the state of a service that ends.
const Stopping = "STOPPING=1"

// Notify tells a state.
func Notify(state string) error {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return nil
	}
	// A name that begins with '@' is an abstract one, which package net knows.
	conn, err := net.Dial("unixgram", address)
	if err != nil {
		return fmt.Errorf("the service manager can't be told: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("the service manager can't be told: %w", err)
	}
	return nil
}

// Watchdog tells that the service is alive, twice in the unit's WatchdogSec, until ctx
// ends. alive is asked each time: it must come back, or the service is restarted.
func Watchdog(ctx context.Context, alive func()) {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return
	}
	tick := time.NewTicker(time.Duration(usec) * time.Microsecond / 2)
	defer tick.Stop()
	for {
		alive()
		_ = Notify("WATCHDOG=1")
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
