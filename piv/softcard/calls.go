package softcard

// The calls of the PC/SC interface that need no I/O of their own. Each fills
// in the struct that it is given.

// establish is SCardEstablishContext.
func (c *client) establish(m *establishMsg) {
	p := c.pcsc
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.context != 0 {
		m.RV = scardNoMemory
		return
	}
	id := uint32(0)
	for id == 0 || p.contexts[id] != nil {
		id = randomID()
	}
	c.context = id
	p.contexts[id] = c
	m.Context, m.RV = id, scardOK
}

// release is SCardReleaseContext.
func (c *client) release(m *contextMsg) {
	c.pcsc.mu.Lock()
	defer c.pcsc.mu.Unlock()
	m.RV = scardOK
	if c.context == 0 || c.context != m.Context {
		m.RV = scardInvalidHandle
		return
	}
	c.drop()
}

// cancel is SCardCancel: it comes over another connection than the wait that
// it ends.
func (c *client) cancel(m *contextMsg) {
	c.pcsc.mu.Lock()
	target := c.pcsc.contexts[m.Context]
	c.pcsc.mu.Unlock()
	m.RV = scardInvalidHandle
	if target != nil && c.pcsc.stopWaiting(target) {
		target.write(waitMsg{RV: scardCancelled}, nil)
		m.RV = scardOK
	}
}

// connect is SCardConnect.
func (c *client) connect(m *connectMsg) {
	p := c.pcsc
	p.mu.Lock()
	defer p.mu.Unlock()
	m.Card, m.ActiveProtocol = 0, 0
	r := p.find(cString(m.Reader[:]))
	switch {
	case c.context == 0 || c.context != m.Context:
		m.RV = scardInvalidHandle
	case r == nil:
		m.RV = scardUnknownReader
	case len(c.handles) >= maxHandles:
		m.RV = scardNoMemory
	case m.Protocols&protocolT1 == 0 && m.Share != shareDirect:
		m.RV = scardProtocolMismatch
	default:
		var h *handle
		if h, m.RV = r.connect(m.Share); m.RV == scardOK {
			p.lastHandle++
			h.id = p.lastHandle
			c.handles[h.id] = h
			m.Card, m.ActiveProtocol = h.id, protocolT1
		}
	}
}

// reconnect is SCardReconnect.
func (c *client) reconnect(m *reconnectMsg) {
	m.ActiveProtocol = protocolT1
	m.RV = c.with(m.Card, func(h *handle) scardCode { return h.reconnect(m.Share, m.Initialization) })
}

// disconnect is SCardDisconnect.
func (c *client) disconnect(m *dispositionMsg) {
	m.RV = c.with(m.Card, func(h *handle) scardCode {
		h.disconnect(m.Disposition)
		delete(c.handles, h.id)
		return scardOK
	})
}

// The attributes that this reader has: reader.h of PCSC lite.
const (
	attributeATR          = 0x00090303
	attributeVendor       = 0x00010100
	attributeFriendlyName = 0x7FFF0003
)

// attribute is SCardGetAttrib.
func (c *client) attribute(m *attributeMsg) {
	var value []byte
	m.RV = c.with(m.Card, func(h *handle) scardCode {
		switch m.ID {
		case attributeATR:
			value = h.reader.card.ATR()
		case attributeVendor:
			value = []byte("Yubico\x00")
		case attributeFriendlyName:
			value = []byte(h.reader.name + "\x00")
		default:
			return scardUnsupported
		}
		return scardOK
	})
	if m.RV == scardOK && len(value) > int(m.Length) {
		m.RV = scardInsufficientBuffer
	}
	m.Length = uint32(copy(m.Value[:], value))
}

// with runs f on a handle of this client, under the PCSC's lock.
func (c *client) with(id int32, f func(*handle) scardCode) scardCode {
	c.pcsc.mu.Lock()
	defer c.pcsc.mu.Unlock()
	h := c.handles[id]
	if h == nil {
		return scardInvalidHandle
	}
	return f(h)
}
