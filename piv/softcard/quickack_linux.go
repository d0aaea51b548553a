package softcard

import (
	"net"

	"golang.org/x/sys/unix"
)

// quickAck has the next segment acknowledged at once. vpcd writes the length
// and the APDU apart, and without this each APDU waits 44 ms for our
// acknowledgement. The system forgets it, so it is said before every read.
func quickAck(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
