package softcard

import "encoding/binary"

// Status words: ISO 7816-4 and NIST SP 800-73-4 Part 2, Section 3.
const (
	swOK             = 0x9000
	swMoreData       = 0x6100 // 61xx: xx bytes wait for GET RESPONSE
	swTriesLeft      = 0x63C0 // 63Cx: x tries left
	swMemory         = 0x6581
	swWrongLength    = 0x6700
	swLastOfChain    = 0x6883
	swSecurity       = 0x6982
	swBlocked        = 0x6983
	swConditions     = 0x6985
	swWrongData      = 0x6A80
	swNotFound       = 0x6A82
	swNoSpace        = 0x6A84
	swWrongP1P2      = 0x6A86
	swNoReference    = 0x6A88
	swNoInstruction  = 0x6D00
	swNoClass        = 0x6E00
	swInternal       = 0x6F00
	chainBit         = 0x10
	shortLe          = 256
	extendedLe       = 65536
	maxCommandData   = 8192 // of a whole chain; the largest object is 3052
	maxAPDU          = 4 + 3 + 65535 + 2
	getResponseIns   = 0xC0
	maxTriesReported = 15
)

// command is a command APDU (ISO 7816-3, Section 12.1).
type command struct {
	cla, ins, p1, p2 byte
	data             []byte
	le               int // the most bytes that the answer may have
}

// head is what the parts of a chain have in common.
func (c command) head() [3]byte { return [3]byte{c.ins, c.p1, c.p2} }

// parseCommand reads short and extended APDUs. A missing Le counts as the
// most that the form allows: ykman sends extended commands without one.
func parseCommand(b []byte) (command, bool) {
	if len(b) < 4 || len(b) > maxAPDU {
		return command{}, false
	}
	c := command{cla: b[0], ins: b[1], p1: b[2], p2: b[3], le: shortLe}
	body := b[4:]
	switch {
	case len(body) == 0:
		return c, true
	case len(body) == 1:
		c.le = expectedLength(int(body[0]), shortLe)
		return c, true
	case body[0] != 0:
		return c.withBody(body[1:], int(body[0]), 1)
	case len(body) < 3:
		return command{}, false
	case len(body) == 3:
		c.le = expectedLength(int(binary.BigEndian.Uint16(body[1:])), extendedLe)
		return c, true
	}
	return c.withBody(body[3:], int(binary.BigEndian.Uint16(body[1:])), 2)
}

// withBody takes lc bytes of data and then, maybe, an Le of leSize bytes.
func (c command) withBody(b []byte, lc, leSize int) (command, bool) {
	if leSize == 2 {
		c.le = extendedLe
	}
	switch len(b) {
	case lc:
	case lc + 1:
		if leSize != 1 {
			return command{}, false
		}
		c.le = expectedLength(int(b[lc]), shortLe)
	case lc + 2:
		if leSize != 2 {
			return command{}, false
		}
		c.le = expectedLength(int(binary.BigEndian.Uint16(b[lc:])), extendedLe)
	default:
		return command{}, false
	}
	c.data = b[:lc]
	return c, true
}

func expectedLength(le, whenZero int) int {
	if le == 0 {
		return whenZero
	}
	return le
}

// answer is what a command gives back: data, and a status word.
type answer struct {
	data []byte
	sw   uint16
}

func status(sw uint16) answer { return answer{sw: sw} }

func success(data []byte) answer { return answer{data: data, sw: swOK} }

func (a answer) bytes() []byte {
	return binary.BigEndian.AppendUint16(append([]byte(nil), a.data...), a.sw)
}
