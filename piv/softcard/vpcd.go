package softcard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The messages of vpcd that are one byte long. Everything else is an APDU.
const (
	vpcdOff   = 0
	vpcdOn    = 1
	vpcdReset = 2
	vpcdATR   = 4

	vpcdRetry = 250 * time.Millisecond
	// pcscd looks at its readers every 0.4 s: a card that is back sooner was
	// never away, and is then taken for a broken one.
	vpcdAbsence = time.Second
)

// ServeVPCD keeps a card in the virtual reader that a pcscd with vpcd offers
// at addr (localhost:35963 as Debian sets it up) until ctx ends. While pcscd
// is not there it tries again, and while the card is unplugged it stays away.
func ServeVPCD(ctx context.Context, addr string, card *Card) error {
	var dialer net.Dialer
	for ctx.Err() == nil {
		if !card.Plugged() {
			pauseFor(ctx, vpcdRetry)
			continue
		}
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			var bad *net.AddrError
			if errors.As(err, &bad) {
				return fmt.Errorf("reaching vpcd: %w", err)
			}
			pauseFor(ctx, vpcdRetry)
			continue
		}
		serveVPCD(ctx, conn, card)
		pauseFor(ctx, vpcdAbsence)
	}
	return nil
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// serveVPCD answers one connection until it, the card's stay or ctx ends, and
// closes it: pcscd waits for an answer as long as it is open.
func serveVPCD(ctx context.Context, conn net.Conn, card *Card) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	gone := card.presence().gone
	go func() {
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		msg, err := readVPCD(conn)
		if err != nil {
			return
		}
		answer, err := answerVPCD(ctx, card, msg)
		if err != nil {
			return
		}
		if answer == nil {
			continue
		}
		conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := conn.Write(frameVPCD(answer)); err != nil {
			return
		}
	}
}

// readVPCD reads a big-endian uint16 length and so many bytes.
func readVPCD(conn net.Conn) ([]byte, error) {
	var size [2]byte
	quickAck(conn)
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	quickAck(conn)
	_, err := io.ReadFull(conn, msg)
	return msg, err
}

func frameVPCD(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// answerVPCD gives nil for what has no answer.
func answerVPCD(ctx context.Context, card *Card, msg []byte) ([]byte, error) {
	if len(msg) != 1 {
		resp, err := card.Exchange(ctx, msg)
		if len(resp) > 0xFFFF { // more than the length can say
			resp = status(swInternal).bytes()
		}
		return resp, err
	}
	switch msg[0] {
	case vpcdATR:
		return card.ATR(), nil
	case vpcdOff, vpcdOn, vpcdReset:
		card.PowerCycle()
	}
	return nil, nil
}
