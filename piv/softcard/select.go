package softcard

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// selectApplication is SELECT: NIST SP 800-73-4 Part 2, Section 3.1.1.
func (c *Card) selectApplication(cmd command) answer {
	if cmd.p1 != 0x04 {
		return status(swNotFound)
	}
	switch {
	case bytes.HasPrefix(cmd.data, unhex("A000000308")): // NIST's RID
		c.enter(pivApplication)
		return success(unhex("61114F0600001000010079074F05A000000308"))
	case bytes.HasPrefix(cmd.data, unhex("A000000527471117")):
		c.enter(managementApplication)
		return success([]byte("Virtual mgr - FW version " + c.st.Firmware.String()))
	}
	return status(swNotFound)
}

// enter changes the application. Selecting PIV again changes nothing:
// "the setting of all security status indicators … shall be unchanged".
func (c *Card) enter(a application) {
	if c.ses.selected != a {
		c.ses.forgetAuth()
	}
	c.ses.selected = a
}

// serial is GET SERIAL, Yubico's extension.
func (c *Card) serial() answer {
	return success(binary.BigEndian.AppendUint32(nil, c.st.Serial))
}

// unhex reads a constant.
func unhex(s string) []byte {
	b, _ := hex.DecodeString(s)
	return b
}
