//go:build cgo || windows

package yubikey

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/ebfe/scard"

	"signet/piv"
)

// link is a PC/SC connection of our own to the card, for what piv-go can't do:
// it keeps its handle to itself. While one of the two is connected, the other is not.
type link struct {
	context *scard.Context
	card    *scard.Card
}

// The applications on the card that we select.
var (
	pivAID        = []byte{0xa0, 0x00, 0x00, 0x03, 0x08}
	managementAID = []byte{0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17}
	otpAID        = []byte{0xa0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01}
)

// dial connects exclusively and selects the PIV application.
func dial(reader string) (*link, error) {
	context, err := scard.EstablishContext()
	if err != nil {
		return nil, err
	}
	card, err := context.Connect(reader, scard.ShareExclusive, scard.ProtocolT1)
	if err != nil {
		_ = context.Release()
		return nil, err
	}
	l := &link{context: context, card: card}
	if err := l.selectApplication(pivAID); err != nil {
		_ = l.close()
		return nil, err
	}
	return l, nil
}

func (l *link) close() error {
	return errors.Join(l.card.Disconnect(scard.LeaveCard), l.context.Release())
}

func (l *link) selectApplication(aid []byte) error {
	_, err := l.send(command{ins: 0xa4, p1: 0x04, data: aid})
	return err
}

// forget makes the card forget the PIN and the management key. Logging out (NIST SP
// 800-73-4, Part 2, Section 3.2.1: P1 = FF) is for the PIN, and not every card has it;
// selecting another application is for both, and Yubico's own library does so.
func (l *link) forget() {
	_, _ = l.send(command{ins: insVerify, p1: 0xff, p2: refPIN})
	_ = l.selectApplication(managementAID)
}

// serial is the card's serial number. Before firmware 5 another application tells it.
func (l *link) serial(fw piv.Version) (uint32, error) {
	ask := command{ins: 0xf8}
	if fw.Less(piv.Version{5, 0, 0}) {
		if err := l.selectApplication(otpAID); err != nil {
			return 0, err
		}
		ask = command{ins: 0x01, p1: 0x10}
	}
	b, err := l.send(ask)
	if err != nil {
		return 0, err
	}
	if len(b) != 4 {
		return 0, fmt.Errorf("a serial number of %d bytes", len(b))
	}
	if fw.Less(piv.Version{5, 0, 0}) {
		err = l.selectApplication(pivAID)
	}
	return binary.BigEndian.Uint32(b), err
}

// maxAnswer bounds what a card answers to one command; the largest is an object
// of 3 KiB.
const maxAnswer = 16 << 10

// send gives the card a command, in parts where it is long, and takes the whole
// answer. What the card refuses is a [statusError].
func (l *link) send(cmd command) ([]byte, error) {
	var answer []byte
	for _, part := range cmd.parts() {
		b, sw, err := l.transmit(part)
		for err == nil && sw>>8 == 0x61 && len(answer) <= maxAnswer { // ISO 7816-4, Section 5.3.4
			answer = append(answer, b...)
			b, sw, err = l.transmit([]byte{0x00, 0xc0, 0x00, 0x00, 0x00})
		}
		if err != nil {
			return nil, err
		}
		if sw != swOK {
			return nil, statusError(sw)
		}
		answer = append(answer, b...)
	}
	return answer, nil
}

func (l *link) transmit(apdu []byte) (data []byte, sw uint16, err error) {
	b, err := l.card.Transmit(apdu)
	if err != nil {
		return nil, 0, err
	}
	n := len(b) - 2
	if n < 0 { // pcscd's, for a command that the card didn't live to answer
		return nil, 0, scard.ErrRemovedCard
	}
	return slices.Clone(b[:n]), binary.BigEndian.Uint16(b[n:]), nil
}
