package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"golang.org/x/sys/unix"
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
	return &peerListener{Listener: l, logger: logger}, nil
}

// A peerListener accepts connections of this process's own account and of root
// alone. The socket's mode says the same; this holds also where someone has
// changed the mode, or was quick before it was set.
type peerListener struct {
	net.Listener
	logger *slog.Logger
}

func (l *peerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peer(conn)
		if err == nil && (uid == 0 || int(uid) == os.Geteuid()) {
			return conn, nil
		}
		l.logger.Warn("operator's socket: refused a connection", "uid", uid, "error", err)
		conn.Close()
	}
}

// peer is the user ID of the process at the other end.
func peer(conn net.Conn) (uid uint32, err error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return cred.Uid, nil
}
