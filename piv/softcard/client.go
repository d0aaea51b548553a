package softcard

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"
)

// writeTimeout is how long a client may leave an answer unread.
const writeTimeout = 5 * time.Second

// client is one connection of a program; libpcsclite makes one per context.
type client struct {
	pcsc *PCSC
	conn net.Conn

	writing sync.Mutex // one message at a time: events come from elsewhere

	context uint32            // guarded by pcsc.mu, as is the next
	handles map[int32]*handle // by their ids
}

// serve answers until the client hangs up or sends nonsense.
func (c *client) serve(ctx context.Context) {
	defer c.leave()
	for {
		var h pcscHeader
		if err := binary.Read(c.conn, binary.LittleEndian, &h); err != nil {
			return
		}
		if err := c.dispatch(ctx, h); err != nil {
			return
		}
	}
}

// leave lets go of all that a client had.
func (c *client) leave() {
	c.conn.Close()
	p := c.pcsc
	p.mu.Lock()
	defer p.mu.Unlock()
	c.drop()
	delete(p.waiting, c)
	delete(p.clients, c)
}

// drop gives up the context and its handles. The caller holds pcsc.mu.
func (c *client) drop() {
	for id, h := range c.handles {
		h.abandon()
		delete(c.handles, id)
	}
	delete(c.pcsc.contexts, c.context)
	c.context = 0
}

// write sends one message.
func (c *client) write(msg any, data []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.conn.Write(encodeMessage(msg, data))
	return err
}

// dispatch answers one message.
func (c *client) dispatch(ctx context.Context, h pcscHeader) error {
	switch h.Command {
	case cmdVersion:
		return answerTo(c, h, c.version)
	case cmdEstablish:
		return answerTo(c, h, c.establish)
	case cmdRelease:
		return answerTo(c, h, c.release)
	case cmdCancel:
		return answerTo(c, h, c.cancel)
	case cmdReaderStates:
		return c.sendStates(false)
	case cmdWaitChange:
		return c.sendStates(true)
	case cmdReaderEvents:
		return c.readerEvents()
	case cmdStopWaiting:
		if c.pcsc.stopWaiting(c) {
			return c.write(waitMsg{RV: scardOK}, nil)
		}
		return nil // the event that is under way is the answer
	case cmdTransmit:
		return c.transmit(ctx, h)
	case cmdControl:
		return c.control(h)
	}
	return c.dispatchCard(h)
}

// dispatchCard answers the messages about a connected card.
func (c *client) dispatchCard(h pcscHeader) error {
	switch h.Command {
	case cmdConnect:
		return answerTo(c, h, c.connect)
	case cmdReconnect:
		return answerTo(c, h, c.reconnect)
	case cmdDisconnect:
		return answerTo(c, h, c.disconnect)
	case cmdBegin:
		return answerTo(c, h, func(m *cardMsg) {
			m.RV = c.with(m.Card, (*handle).begin)
		})
	case cmdStatus:
		return answerTo(c, h, func(m *cardMsg) {
			m.RV = c.with(m.Card, (*handle).check)
		})
	case cmdEnd:
		return answerTo(c, h, func(m *dispositionMsg) {
			m.RV = c.with(m.Card, func(h *handle) scardCode { return h.end(m.Disposition) })
		})
	case cmdGetAttribute:
		return answerTo(c, h, c.attribute)
	case cmdSetAttribute:
		return answerTo(c, h, func(m *attributeMsg) { m.RV = scardUnsupported })
	}
	return errMalformed
}

// answerTo reads a struct, has f fill it in, and sends it back.
func answerTo[M any](c *client, h pcscHeader, f func(*M)) error {
	var m M
	if err := readBody(c.conn, h, &m); err != nil {
		return err
	}
	f(&m)
	return c.write(m, nil)
}

// version turns away what speaks neither 4:4 nor 4:5; newer libraries come back.
func (c *client) version(m *versionMsg) {
	m.RV = scardOK
	if m.Major == protocolMajor && m.Minor == protocolMinorNew {
		return
	}
	if m.Major != protocolMajor || m.Minor != protocolMinor {
		m.RV = scardServiceStopped
	}
	m.Major, m.Minor = protocolMajor, protocolMinor
}

// readerEvents tells how many readers came and went.
func (c *client) readerEvents() error {
	c.pcsc.mu.Lock()
	c.pcsc.states()
	m := eventsMsg{Events: c.pcsc.events}
	c.pcsc.mu.Unlock()
	return c.write(m, nil)
}

// sendStates dumps the readers, and in the same breath may begin to wait for
// a change: nothing can happen in between unnoticed.
func (c *client) sendStates(wait bool) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.pcsc.mu.Lock()
	if wait {
		c.pcsc.waiting[c] = struct{}{}
	}
	all := c.pcsc.states()
	c.pcsc.mu.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.conn.Write(encodeMessage(all, nil))
	return err
}

// transmit is SCardTransmit. The card works, and may wait for a touch, without
// any lock of ours.
func (c *client) transmit(ctx context.Context, h pcscHeader) error {
	var m transmitMsg
	if err := readBody(c.conn, h, &m); err != nil {
		return err
	}
	apdu, err := readData(c.conn, m.Send)
	if err != nil {
		return err
	}
	var used *handle
	m.RV = c.with(m.Card, func(h *handle) scardCode { used = h; return h.check() })
	var resp []byte
	if m.RV == scardOK {
		resp, m.RV = used.exchange(ctx, apdu)
	}
	if m.RV == scardOK && len(resp) > int(m.Recv) {
		m.RV = scardInsufficientBuffer
	}
	m.Recv, m.RecvProtocol = uint32(len(resp)), protocolT1
	if m.RV != scardOK {
		resp = nil
	}
	return c.write(m, resp)
}

// control is SCardControl: this reader has no features.
func (c *client) control(h pcscHeader) error {
	var m controlMsg
	if err := readBody(c.conn, h, &m); err != nil {
		return err
	}
	if _, err := readData(c.conn, m.Send); err != nil {
		return err
	}
	m.Returned, m.RV = 0, scardUnsupported
	return c.write(m, nil)
}

var _ io.Closer = (*PCSC)(nil)
