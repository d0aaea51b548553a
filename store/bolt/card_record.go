package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"

	"signet/enroll"
)

// cardStates are the states by their numbers in records.
var cardStates = []enroll.CardState{enroll.CardInventory, enroll.CardAssigned, enroll.CardLost, enroll.CardRetired}

// What a card's flags say.
const (
	cardFIPS = 1 << iota
	cardCSPN
)

// cardRecord is all of c but its serial number, which is the key.
func cardRecord(c enroll.Card) ([]byte, error) {
	r := newRecorder(128 + 28*len(c.Held))
	state := slices.Index(cardStates, c.State)
	r.fits(state, len(cardStates))
	r.uint8(uint8(state))
	r.text(c.Account)
	r.text(c.Firmware)
	r.text(c.FormFactor)
	var flags uint8
	if c.FIPS {
		flags |= cardFIPS
	}
	if c.CSPN {
		flags |= cardCSPN
	}
	r.uint8(flags)
	r.time(c.FirstSeen)
	r.time(c.Changed)
	r.text(c.Note)
	r.fits(len(c.Holders), 1<<16)
	r.uint16(uint16(len(c.Holders)))
	for _, name := range c.Holders {
		r.text(name)
	}
	r.fits(len(c.Held), 1<<16)
	r.uint16(uint16(len(c.Held)))
	for _, h := range c.Held {
		r.fixed(h.Serial[:])
		r.time(h.At)
	}
	return r.end(fmt.Sprintf("card %d", c.Serial))
}

// readCard is the reverse of cardRecord.
func readCard(key, record []byte) (c enroll.Card, err error) {
	if len(key) != 4 {
		return c, fmt.Errorf("%w: a card's key", ErrCorrupt)
	}
	c.Serial = binary.BigEndian.Uint32(key)
	r := newReading(record)
	if state := int(r.uint8()); r.ok(state < len(cardStates)) {
		c.State = cardStates[state]
	}
	c.Account, c.Firmware, c.FormFactor = r.text(), r.text(), r.text()
	flags := r.uint8()
	c.FIPS, c.CSPN = flags&cardFIPS != 0, flags&cardCSPN != 0
	c.FirstSeen, c.Changed, c.Note = r.time(), r.time(), r.text()
	for range r.uint16() {
		c.Holders = append(c.Holders, r.text())
	}
	for n := r.uint16(); n > 0 && !r.bad; n-- {
		var h enroll.Held
		r.fixed(h.Serial[:])
		h.At = r.time()
		c.Held = append(c.Held, h)
	}
	return c, r.end(fmt.Sprintf("card %d", c.Serial))
}

// cardKey sorts as serial numbers do.
func cardKey(serial uint32) []byte { return binary.BigEndian.AppendUint32(nil, serial) }

// ownerKey is account NUL serial.
func ownerKey(account string, serial uint32) []byte {
	return binary.BigEndian.AppendUint32(textKey(account), serial)
}
