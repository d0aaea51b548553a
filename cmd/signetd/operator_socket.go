package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
)

// maxSocketPath is the longest path of a socket, in octets (unix(7): sun_path).
const maxSocketPath = 107

// listenOperator listens on a unix socket that only this account and root may
// open. A socket left by a killed server is replaced: the caller holds the
// store, so no other server is running on this data folder.
func listenOperator(ctx context.Context, path string, logger *slog.Logger) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the operator's socket has %d octets, and the system takes %d: give the CA a folder with a shorter path", len(path), maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("replacing the operator's socket: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening for the operator's commands: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("listening for the operator's commands: %w", err)
	}
	return onlyOwner(l, logger), nil
}
