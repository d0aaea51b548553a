package softcard

import (
	"bytes"
	"crypto/subtle"
)

// Key references: NIST SP 800-73-4 Part 1, Table 4.
const (
	refPIN           = 0x80
	refPUK           = 0x81
	refManagementKey = 0x9B
)

// As a YubiKey leaves the factory.
const (
	defaultPIN   = "123456"
	defaultPUK   = "12345678"
	defaultTries = 3

	secretLength = 8 // padded with FF
	minSecret    = 6
	logoutP1     = 0xFF
)

// secret is the PIN or the PUK.
type secret struct {
	Value []byte `json:"value"` // 8 bytes, padded with FF
	Tries int    `json:"tries"`
	Left  int    `json:"left"`
}

func newSecret(value string, tries int) secret {
	padded := append([]byte(value), bytes.Repeat([]byte{0xFF}, secretLength-len(value))...)
	return secret{Value: padded, Tries: tries, Left: tries}
}

// check compares and counts. The status is 9000, 63Cx with the tries that are
// left, or 6983 if none was left to begin with.
func (s *secret) check(value []byte) uint16 {
	if s.Left <= 0 {
		return swBlocked
	}
	if subtle.ConstantTimeCompare(s.Value, value) != 1 {
		s.Left--
		return s.triesLeft()
	}
	s.Left = s.Tries
	return swOK
}

func (s *secret) triesLeft() uint16 {
	return swTriesLeft | uint16(min(s.Left, maxTriesReported))
}

// set takes a new value, of 6 to 8 characters.
func (s *secret) set(value []byte) bool {
	if i := bytes.IndexByte(value, 0xFF); i >= 0 && i < minSecret {
		return false
	}
	s.Value, s.Left = bytes.Clone(value), s.Tries
	return true
}

func (s *secret) isDefault(value string) bool {
	return bytes.Equal(s.Value, newSecret(value, 0).Value)
}

// verify is VERIFY: NIST SP 800-73-4 Part 2, Section 3.2.1.
func (c *Card) verify(cmd command) answer {
	switch {
	case cmd.p2 != refPIN: // 96, the fingerprint of a YubiKey Bio, too
		return status(swNoReference)
	case cmd.p1 == logoutP1 && len(cmd.data) == 0:
		c.ses.pin, c.ses.pinFresh = false, false
		return status(swOK)
	case cmd.p1 != 0:
		return status(swWrongP1P2)
	case len(cmd.data) == 0:
		return status(c.pinStatus())
	case len(cmd.data) != secretLength:
		return status(swWrongData)
	}
	sw := c.st.PIN.check(cmd.data)
	c.ses.pin, c.ses.pinFresh = sw == swOK, sw == swOK
	return c.keep(status(sw))
}

func (c *Card) pinStatus() uint16 {
	switch {
	case c.st.PIN.Left <= 0:
		return swBlocked
	case c.ses.pin:
		return swOK
	}
	return c.st.PIN.triesLeft()
}

// changeReference is CHANGE REFERENCE DATA: NIST SP 800-73-4 Part 2, Section
// 3.2.2. A wrong old value counts before the new one is looked at.
func (c *Card) changeReference(cmd command) answer {
	target := &c.st.PIN
	switch {
	case cmd.p1 != 0:
		return status(swWrongP1P2)
	case cmd.p2 == refPUK:
		target = &c.st.PUK
	case cmd.p2 != refPIN:
		return status(swNoReference)
	}
	if len(cmd.data) != 2*secretLength {
		return status(swWrongData)
	}
	sw := target.check(cmd.data[:secretLength])
	if sw == swOK && !target.set(cmd.data[secretLength:]) {
		sw = swWrongData
	} else if cmd.p2 == refPIN {
		c.ses.pin = sw == swOK
	}
	return c.keep(status(sw))
}

// resetRetry is RESET RETRY COUNTER: the PUK gives a new PIN. NIST SP 800-73-4
// Part 2, Section 3.2.3.
func (c *Card) resetRetry(cmd command) answer {
	switch {
	case cmd.p1 != 0:
		return status(swWrongP1P2)
	case cmd.p2 != refPIN:
		return status(swNoReference)
	case len(cmd.data) != 2*secretLength:
		return status(swWrongData)
	}
	sw := c.st.PUK.check(cmd.data[:secretLength])
	if sw == swOK && !c.st.PIN.set(cmd.data[secretLength:]) {
		sw = swWrongData
	}
	return c.keep(status(sw))
}

// setRetries is SET PIN RETRIES, Yubico's extension. It puts the default PIN
// and PUK back.
func (c *Card) setRetries(cmd command) answer {
	switch {
	case !c.ses.pin:
		return status(swSecurity)
	case cmd.p1 == 0 || cmd.p2 == 0:
		return status(swWrongP1P2)
	}
	c.st.PIN = newSecret(defaultPIN, int(cmd.p1))
	c.st.PUK = newSecret(defaultPUK, int(cmd.p2))
	c.ses.pin = false
	return c.keep(status(swOK))
}

// reset is RESET, Yubico's extension: only when PIN and PUK are both blocked.
func (c *Card) reset() answer {
	if c.st.PIN.Left > 0 || c.st.PUK.Left > 0 {
		return status(swConditions)
	}
	c.st.factoryReset()
	c.ses.forgetAuth()
	return c.keep(status(swOK))
}
