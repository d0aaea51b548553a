//go:build !linux

package main

import (
	"log/slog"
	"net"
)

// onlyOwner: on this system the socket's mode, and its folder's, keep others away alone.
func onlyOwner(l net.Listener, _ *slog.Logger) net.Listener { return l }
