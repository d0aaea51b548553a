package softcard

import "encoding/binary"

// The management applet tells what a YubiKey is; this one can be PIV alone.
const (
	insReadConfig = 0x1D
	capabilityPIV = 0x10
)

func (c *Card) management(cmd command) answer {
	if cmd.ins != insReadConfig {
		return status(swNoInstruction)
	}
	var b []byte
	add := func(tag byte, value ...byte) { b = append(b, element(tag, value)...) }
	add(0x01, capabilityPIV) // supported over USB
	add(0x03, capabilityPIV) // enabled
	add(0x02, binary.BigEndian.AppendUint32(nil, c.st.Serial)...)
	add(0x04, c.st.FormFactor)
	add(0x05, c.st.Firmware[:]...)
	add(0x06, 0, 0) // no auto-eject
	add(0x07, 15)   // challenge-response timeout, seconds
	add(0x08, 0)    // no flags
	add(0x0A, 0)    // not locked
	return success(append([]byte{byte(len(b))}, b...))
}
