package softcard

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrUnplugged is what an APDU meets when the card is not, or no longer, there.
var ErrUnplugged = errors.New("the card is unplugged")

// Config says which card to make. The zero value is a factory-new 5.4.3 in
// memory, with a random serial number and a root of its own.
type Config struct {
	// Path is the state file. It is made if it does not exist; if it does, the
	// card in it must agree with Serial, Firmware and FormFactor where those
	// are given. Empty: the card is forgotten with the process.
	Path string
	// Root signs the attestation certificate. Nil: a new one, made when first
	// needed.
	Root       *Root
	Serial     uint32
	Firmware   Version // from 5.3.0 on; zero means 5.4.3
	FormFactor byte    // zero means 01, USB-A keychain
	// Now is the card's clock; only the cached touch looks at it.
	Now func() time.Time
	// TouchTimeout is how long a waiting card waits; zero means 15 s.
	TouchTimeout time.Duration
}

// Card is a software YubiKey. Its methods may be called from any goroutine;
// it does one APDU at a time, as a card does.
type Card struct {
	cfg    Config
	unlock func() error // lets go of the state file

	work  sync.Mutex // held for the length of one APDU; guards the next three
	st    *state
	saved []byte // st as it last stood in the file
	ses   session

	world // what happens to the card from outside
}

// Open makes a card, or reads one from its file. Only one process at a time
// can have the file.
func Open(cfg Config) (*Card, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TouchTimeout == 0 {
		cfg.TouchTimeout = 15 * time.Second
	}
	c := &Card{cfg: cfg, unlock: func() error { return nil }}
	c.world.setUp()
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("opening the software card: %w", err)
	}
	return c, nil
}

// Close pulls the card out and lets go of its file.
func (c *Card) Close() error {
	c.Unplug()
	c.work.Lock()
	defer c.work.Unlock()
	return c.unlock()
}

// Serial is the card's serial number.
func (c *Card) Serial() uint32 {
	c.work.Lock()
	defer c.work.Unlock()
	return c.st.Serial
}

// Firmware is the card's firmware version.
func (c *Card) Firmware() Version {
	c.work.Lock()
	defer c.work.Unlock()
	return c.st.Firmware
}

// ATR is the card's answer to reset, that of a YubiKey 5.
func (c *Card) ATR() []byte {
	atr, _ := hex.DecodeString("3BFD1300008131FE158073C021C057597562694B657940")
	return atr
}

// Transmit answers one command APDU with data and status word, or with nil
// if the card is not plugged in.
func (c *Card) Transmit(apdu []byte) []byte {
	resp, err := c.Exchange(context.Background(), apdu)
	if err != nil {
		return nil
	}
	return resp
}

// Exchange answers one command APDU. It waits while another is being done,
// and for a touch if the card was told to want one. The error is ErrUnplugged,
// or that of ctx.
func (c *Card) Exchange(ctx context.Context, apdu []byte) ([]byte, error) {
	c.work.Lock()
	defer c.work.Unlock()
	turn, err := c.begin(apdu)
	if err != nil {
		return nil, err
	}
	if c.ses.power != turn.power {
		c.ses = session{power: turn.power, gone: turn.gone}
	}
	resp, err := c.perform(ctx, turn, apdu)
	if err == nil {
		c.record(turn, binary.BigEndian.Uint16(resp[len(resp)-2:]))
	}
	return resp, err
}

// perform does what the faults in force leave of a command.
func (c *Card) perform(ctx context.Context, turn turn, apdu []byte) ([]byte, error) {
	if err := turn.pause(ctx); err != nil {
		return nil, err
	}
	var resp []byte
	switch turn.fault.Do {
	case UnplugBefore:
		c.Unplug()
	case Fail:
		resp = status(turn.fault.SW).bytes()
	case UnplugAfter:
		c.apply(ctx, apdu)
		c.Unplug()
	default:
		resp = c.apply(ctx, apdu)
	}
	select {
	case <-turn.gone:
		return nil, ErrUnplugged // also when pulled out halfway
	default:
	}
	return resp, ctx.Err()
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func randomSerial() uint32 {
	return 10_000_000 + binary.BigEndian.Uint32(randomBytes(4))%10_000_000
}

func randomID() uint32 { return binary.BigEndian.Uint32(randomBytes(4)) >> 1 }
