//go:build !linux

package main

import (
	"log/slog"
	"net"
	"os"
)

// onlyOwner: on this system the socket's mode, and its folder's, keep others away alone.
func onlyOwner(l net.Listener, _ *slog.Logger) net.Listener { return l }

// ownLogin is who runs this process; "" where the system has no numbers for users.
func ownLogin() string {
	if uid := os.Getuid(); uid >= 0 {
		return userName(uint64(uid))
	}
	return ""
}
