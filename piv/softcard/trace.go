package softcard

// traceLength bounds what a card remembers of its past.
const traceLength = 1024

// Exchange is one APDU as the trace keeps it: its header, never its data.
type Exchange struct {
	Seq int    `json:"seq"` // counted from 1 since the card was opened
	CLA byte   `json:"cla"`
	INS byte   `json:"ins"`
	P1  byte   `json:"p1"`
	P2  byte   `json:"p2"`
	Len int    `json:"len"` // bytes of the whole command
	SW  uint16 `json:"sw"`
}

func newExchange(seq int, apdu []byte) Exchange {
	e := Exchange{Seq: seq, Len: len(apdu)}
	if len(apdu) >= 4 {
		e.CLA, e.INS, e.P1, e.P2 = apdu[0], apdu[1], apdu[2], apdu[3]
	}
	return e
}

// record puts an answered APDU into the trace.
func (c *Card) record(t turn, sw uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.entry.SW = sw
	if len(c.trace) >= traceLength {
		c.trace = append(c.trace[:0], c.trace[1:]...)
	}
	c.trace = append(c.trace, t.entry)
}

// Trace gives the last APDUs that were answered, the oldest first.
func (c *Card) Trace() []Exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Exchange(nil), c.trace...)
}

// Count is the number of APDUs that have come in.
func (c *Card) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}
