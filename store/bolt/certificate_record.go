package bolt

import (
	"bytes"
	"fmt"
	"time"

	"signet/ca"
)

// certRecord is all of c but issuer and serial, which are its key, and the
// revocation, which is a record of its own.
func certRecord(c *ca.Certificate) ([]byte, error) {
	r := newRecorder(certSize(c))
	r.fits(c.Partition, 1<<16)
	r.time(c.IssuedAt)
	r.time(c.NotBefore)
	r.time(c.NotAfter)
	r.text(c.Account)
	r.text(c.Profile)
	r.text(c.Subject)
	r.fixed(c.KeyID[:])
	r.bytes(c.DER)
	r.card(c.Card)
	if c.Partition != 0 {
		r.record[0] = partitionedRecord
		r.uint16(uint16(c.Partition))
	}
	return r.end("certificate " + c.Serial.String())
}

// certSize is how long c's record will be, or a little more.
func certSize(c *ca.Certificate) int {
	n := 256 + len(c.Subject) + len(c.DER)
	if c.Card != nil {
		n += len(c.Card.Root)
		for _, der := range c.Card.Attestation {
			n += 3 + len(der)
		}
	}
	return n
}

func (r *recorder) card(c *ca.Card) {
	if c == nil {
		r.uint8(0)
		return
	}
	series := seriesOf(c)
	if r.uint8(plainCard); series != 0 || c.Root != "" {
		r.record[len(r.record)-1] = seriesCard
	}
	r.uint32(c.Serial)
	r.text(c.Firmware)
	r.text(c.Slot)
	r.text(c.PINPolicy)
	r.text(c.TouchPolicy)
	r.text(c.FormFactor)
	r.fits(len(c.Attestation), 1<<8)
	r.uint8(uint8(len(c.Attestation)))
	for _, der := range c.Attestation {
		r.bytes(der)
	}
	if series != 0 || c.Root != "" {
		r.uint8(series)
		r.text(c.Root)
	}
}

// The forms of a card within a certificate's record, after 0 for none: as it was written
// first, and with the series and the root at its end.
const (
	plainCard  = 1
	seriesCard = 2
)

// The bits of a card's series.
const (
	fipsSeries = 1
	cspnSeries = 2
)

func seriesOf(c *ca.Card) (series uint8) {
	if c.FIPS {
		series |= fipsSeries
	}
	if c.CSPN {
		series |= cspnSeries
	}
	return series
}

// readCert is the reverse of certRecord.
func readCert(key, record []byte) (c ca.Certificate, err error) {
	if c.Issuer, c.Serial, err = parseCertKey(key); err != nil {
		return c, err
	}
	r := newReading(bytes.Clone(record), partitionedRecord) // it outlives the transaction, whole
	c.IssuedAt = r.time()
	c.NotBefore = r.time()
	c.NotAfter = r.time()
	c.Account = r.text()
	c.Profile = r.text()
	c.Subject = r.text()
	r.fixed(c.KeyID[:])
	c.DER = r.bytes()
	c.Card = r.card()
	if len(record) > 0 && record[0] == partitionedRecord {
		c.Partition = int(r.uint16())
		r.ok(c.Partition != 0)
	}
	return c, r.end("certificate " + c.Serial.String())
}

func (r *reading) card() *ca.Card {
	form := r.uint8()
	if form == 0 || !r.ok(form <= seriesCard) {
		return nil
	}
	c := &ca.Card{
		Serial: r.uint32(), Firmware: r.text(), Slot: r.text(),
		PINPolicy: r.text(), TouchPolicy: r.text(), FormFactor: r.text(),
	}
	for range r.uint8() {
		c.Attestation = append(c.Attestation, r.bytes())
	}
	if form == seriesCard {
		series := r.uint8()
		c.FIPS, c.CSPN = series&fipsSeries != 0, series&cspnSeries != 0
		c.Root = r.text()
	}
	return c
}

// issuedAt reads no more of a record than that.
func issuedAt(record []byte) (time.Time, error) {
	r := newReading(record, partitionedRecord)
	at := r.time()
	if r.bad {
		return at, fmt.Errorf("%w: certificate", ErrCorrupt)
	}
	return at, nil
}

// A certHead is what of a certificate's record tells whose it is; it is read in place.
type certHead struct {
	issuedAt, notAfter time.Time
	account, profile   []byte
	firmware, shape    []byte // of the card
	card               uint32 // 0 without one
}

// headOf reads no more of a record than that.
func headOf(record []byte) (h certHead, err error) {
	r := newReading(record, partitionedRecord)
	h.issuedAt = r.time()
	r.time() // NotBefore
	h.notAfter = r.time()
	h.account, h.profile = r.octets(), r.octets()
	r.octets() // Subject
	r.ok(r.rest.Skip(len(ca.Certificate{}.KeyID)))
	r.bytes() // DER
	if r.uint8() != 0 {
		h.card = r.uint32()
		h.firmware = r.octets()
		r.octets() // Slot
		r.octets() // PINPolicy
		r.octets() // TouchPolicy
		h.shape = r.octets()
	}
	if r.bad {
		return h, fmt.Errorf("%w: certificate", ErrCorrupt)
	}
	return h, nil
}
