package main

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"strings"

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
		cred, err := peer(conn)
		if err == nil && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid()) {
			return &loginConn{Conn: conn, login: loginOf(int(cred.Pid), cred.Uid)}, nil
		}
		l.logger.Warn("operator's socket: refused a connection", "uid", cred.Uid, "error", err)
		conn.Close()
	}
}

// peer is the process at the other end.
func peer(conn net.Conn) (cred unix.Ucred, err error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return cred, err
	}
	var there *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		there, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return cred, err
	}
	if credErr != nil {
		return cred, credErr
	}
	return *there, nil
}

// ownLogin is who runs this process.
func ownLogin() string { return loginOf(os.Getpid(), uint32(os.Geteuid())) }

// loginOf is who logged in to start the process, which "sudo" and "su" leave as it was
// (proc(5), /proc/pid/loginuid); its user where the system doesn't keep that.
func loginOf(pid int, uid uint32) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", pid))
	login, parseErr := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil || parseErr != nil || login == math.MaxUint32 { // nobody logged in: (uid_t)-1
		login = uint64(uid)
	}
	return userName(login)
}
