package main

import (
	"log/slog"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

func onlyOwner(l net.Listener, logger *slog.Logger) net.Listener {
	return &peerListener{Listener: l, logger: logger}
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
