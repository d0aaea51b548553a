//go:build cgo || windows

package yubikey

import "fmt"

// Instructions: NIST SP 800-73-4, Part 2, Table 2, and Yubico's own from FA on.
const (
	insVerify          = 0x20
	insChangeReference = 0x24
	insResetRetry      = 0x2c
	insAuthenticate    = 0x87
	insGetData         = 0xcb
	insPutData         = 0xdb
	insMoveKey         = 0xf6 // from 5.7 on
	insMetadata        = 0xf7 // from 5.3 on
	insSetRetries      = 0xfa
	insSetManagement   = 0xff
)

// Key references: NIST SP 800-73-4, Part 1, Table 4.
const (
	refPIN        = 0x80
	refPUK        = 0x81
	refManagement = 0x9b
)

// command is a command APDU with class 00.
type command struct {
	ins, p1, p2 byte
	data        []byte
}

// parts are short APDUs, all but the last with the class of a chain: NIST SP
// 800-73-4, Part 2, Section 2.3.3.2.
func (c command) parts() [][]byte {
	var all [][]byte
	rest := c.data
	for ; len(rest) > 255; rest = rest[255:] {
		all = append(all, append([]byte{0x10, c.ins, c.p1, c.p2, 255}, rest[:255]...))
	}
	return append(all, append([]byte{0x00, c.ins, c.p1, c.p2, byte(len(rest))}, rest...))
}

// statusError is a status word that is not 9000.
type statusError uint16

func (e statusError) Error() string  { return fmt.Sprintf("the card answers %04x", uint16(e)) }
func (e statusError) Status() uint16 { return uint16(e) }
