package softcard

import (
	"bytes"
	"context"
	"time"
)

// session is what a card forgets when it loses power.
type session struct {
	power int             // the power-up to which it belongs
	gone  <-chan struct{} // closed when the card is pulled out

	selected  application
	pin       bool // the PIN was verified
	pinFresh  bool // by the command just before this one
	admin     bool // the management key was authenticated
	witness   []byte
	challenge []byte
	touchedAt time.Time

	chain     []byte // data of the parts of a chain so far
	chainHead [3]byte
	chaining  bool
	pending   []byte // the rest of an answer, for GET RESPONSE
}

// application is what SELECT chose.
type application int

const (
	noApplication application = iota
	pivApplication
	managementApplication
)

// forgetAuth drops what was verified, as another application was selected.
func (s *session) forgetAuth() {
	s.pin, s.pinFresh, s.admin = false, false, false
	s.witness, s.challenge = nil, nil
}

// apply answers one APDU, whatever is in it.
func (c *Card) apply(ctx context.Context, apdu []byte) []byte {
	cmd, ok := parseCommand(apdu)
	if !ok {
		return status(swWrongLength).bytes()
	}
	if cmd.cla&^chainBit != 0 {
		return status(swNoClass).bytes()
	}
	if cmd.ins == getResponseIns {
		return c.getResponse(cmd).bytes()
	}
	c.ses.pending = nil
	cmd, whole := c.link(cmd)
	if whole != 0 {
		return status(whole).bytes()
	}
	return c.send(c.execute(ctx, cmd), cmd.le).bytes()
}

// link collects the parts of a chained command. The status is zero when cmd
// is whole; otherwise it is the answer to this part.
// NIST SP 800-73-4 Part 2, Section 3.2: CLA 10 on all parts but the last.
func (c *Card) link(cmd command) (command, uint16) {
	s := &c.ses
	if s.chaining && s.chainHead != cmd.head() {
		s.chaining, s.chain = false, nil
	}
	if len(s.chain)+len(cmd.data) > maxCommandData {
		s.chaining, s.chain = false, nil
		return cmd, swWrongLength
	}
	data := append(s.chain[:len(s.chain):len(s.chain)], cmd.data...)
	if cmd.cla&chainBit != 0 {
		s.chaining, s.chainHead, s.chain = true, cmd.head(), data
		return cmd, swOK
	}
	s.chaining, s.chain = false, nil
	cmd.data = data
	return cmd, 0
}

// send gives as much of an answer as Le allows, and keeps the rest.
// ISO 7816-4, Section 5.3.4: 61xx says how much is left.
func (c *Card) send(a answer, le int) answer {
	if len(a.data) <= le {
		return a
	}
	rest := a.data[le:]
	c.ses.pending = rest
	return answer{data: a.data[:le], sw: swMoreData | uint16(min(len(rest), 0xFF))}
}

func (c *Card) getResponse(cmd command) answer {
	rest := c.ses.pending
	c.ses.pending = nil
	if rest == nil {
		return status(swConditions)
	}
	return c.send(success(rest), cmd.le)
}

// execute runs a whole command in the application that is selected.
func (c *Card) execute(ctx context.Context, cmd command) answer {
	// NIST SP 800-73-4 Part 1, Table 4 (PIN Always): the verification counts
	// for the very next command only.
	fresh := c.ses.pinFresh
	if cmd.ins != insVerify {
		c.ses.pinFresh = false
	}
	if cmd.ins == insSelect {
		return c.selectApplication(cmd)
	}
	switch c.ses.selected {
	case pivApplication:
		return c.piv(ctx, cmd, fresh)
	case managementApplication:
		return c.management(cmd)
	}
	return status(swNoInstruction)
}

// The instructions: NIST SP 800-73-4 Part 2, Table 2, and Yubico's extensions.
const (
	insVerify          = 0x20
	insChangeReference = 0x24
	insResetRetry      = 0x2C
	insGenerate        = 0x47
	insAuthenticate    = 0x87
	insSelect          = 0xA4
	insGetData         = 0xCB
	insPutData         = 0xDB
	insMoveKey         = 0xF6
	insMetadata        = 0xF7
	insSerial          = 0xF8
	insAttest          = 0xF9
	insSetRetries      = 0xFA
	insReset           = 0xFB
	insVersion         = 0xFD
	insImportKey       = 0xFE
	insSetManagement   = 0xFF
)

// piv dispatches within the PIV applet. fresh says that the PIN was verified
// by the command before.
func (c *Card) piv(ctx context.Context, cmd command, fresh bool) answer {
	switch cmd.ins {
	case insVerify:
		return c.verify(cmd)
	case insChangeReference:
		return c.changeReference(cmd)
	case insResetRetry:
		return c.resetRetry(cmd)
	case insAuthenticate:
		if cmd.p2 == refManagementKey {
			return c.authenticate(ctx, cmd)
		}
		return c.useKey(ctx, cmd, fresh)
	case insGetData:
		return c.getData(cmd)
	case insMetadata:
		if !c.st.Firmware.AtLeast(Version{5, 3, 0}) {
			return status(swNoInstruction)
		}
		return c.metadata(cmd)
	case insAttest:
		return c.attest(cmd)
	case insReset:
		return c.reset()
	case insVersion:
		return success(bytes.Clone(c.st.Firmware[:]))
	case insSerial:
		return c.serial()
	}
	return c.administer(cmd)
}

// administer dispatches the commands that want the management key first.
func (c *Card) administer(cmd command) answer {
	var do func(command) answer
	switch cmd.ins {
	case insGenerate:
		do = c.generate
	case insImportKey:
		do = c.importKey
	case insPutData:
		do = c.putData
	case insSetManagement:
		do = c.setManagementKey
	case insSetRetries:
		do = c.setRetries
	case insMoveKey:
		if c.st.Firmware.AtLeast(Version{5, 7, 0}) {
			do = c.moveKey
		}
	}
	switch {
	case do == nil:
		return status(swNoInstruction)
	case !c.ses.admin:
		return status(swSecurity)
	}
	return do(cmd)
}
