//go:build cgo || windows

package yubikey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"signet/piv"
)

// object is a data object's identifier: NIST SP 800-73-4, Part 1, Table 3.
type object uint32

const (
	objectCHUID   object = 0x5fc102
	objectCCC     object = 0x5fc107
	objectPrinted object = 0x5fc109 // read with the PIN; Yubico's programs keep the management key there
	objectAdmin   object = 0x5fff00 // Yubico's: what is said of the management key
)

// maxObject is how much a YubiKey takes into one object, in bytes.
const maxObject = 3052

func (o object) id() []byte { return element(0x5c, []byte{byte(o >> 16), byte(o >> 8), byte(o)}) }

// certificateObject is where a slot's certificate stands.
func certificateObject(s piv.Slot) object {
	switch s {
	case piv.SlotAuthentication:
		return 0x5fc105
	case piv.SlotSignature:
		return 0x5fc10a
	case piv.SlotKeyManagement:
		return 0x5fc10b
	case piv.SlotCardAuthentication:
		return 0x5fc101
	case piv.SlotAttestation:
		return 0x5fff01
	}
	return 0x5fc10d + object(s) - 0x82
}

// get reads an object: a status of 6A82 where there is none.
func (l *link) get(o object) ([]byte, error) {
	b, err := l.send(command{ins: insGetData, p1: 0x3f, p2: 0xff, data: o.id()})
	if err != nil {
		return nil, err
	}
	f, err := parseFields(b)
	if err != nil {
		return nil, err
	}
	value, ok := f.find(0x53)
	if !ok {
		return nil, errTLV
	}
	if len(value) == 0 { // how some cards say that there is none
		return nil, statusError(swNotFound)
	}
	return value, nil
}

// put writes an object; an empty one deletes it. It wants the management key.
func (l *link) put(o object, value []byte) error {
	data := append(o.id(), element(0x53, value)...)
	_, err := l.send(command{ins: insPutData, p1: 0x3f, p2: 0xff, data: data})
	return err
}

// has reports whether there is an object, be it one that can't be read.
func (l *link) has(o object) (bool, error) {
	_, err := l.get(o)
	switch {
	case err == nil, errors.Is(err, errTLV):
		return true, nil
	case statusOf(err) == swNotFound:
		return false, nil
	}
	return false, err
}

func (c *card) Identifiers(ctx context.Context) (piv.Identifiers, error) {
	return fromOurs(ctx, c, func(l *link) (ids piv.Identifiers, err error) {
		chuid, err := l.get(objectCHUID)
		switch {
		case err == nil, errors.Is(err, errTLV):
			ids.CHUID, ids.GUID = true, guid(chuid)
		case statusOf(err) != swNotFound:
			return ids, mapError("reading the CHUID", err)
		}
		ids.CCC, err = l.has(objectCCC)
		return ids, mapError("reading the CCC", err)
	})
}

func (c *card) SetIdentifiers(ctx context.Context) error {
	return c.managed(ctx, func(l *link) error {
		for _, o := range []struct {
			id   object
			name string
			make func() []byte
		}{{objectCHUID, "CHUID", newCHUID}, {objectCCC, "CCC", newCCC}} {
			there, err := l.has(o.id)
			if err == nil && !there {
				err = l.put(o.id, o.make())
			}
			if err != nil {
				return mapManagement("writing the "+o.name, err)
			}
		}
		return nil
	})
}

// guid is the card's UUID in its CHUID; "" where there is none.
func guid(chuid []byte) string {
	f, err := parseFields(chuid)
	if err != nil {
		return ""
	}
	u, ok := f.find(0x34)
	if !ok || len(u) != 16 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// newCHUID is a card holder unique identifier: NIST SP 800-73-4, Part 1, Section
// 3.1.2 and Table 9. Its number (FASC-N) is the one for cards that no federal agency issued,
// 9999-9999-999999-0-1-0000000000300001, as all of Yubico's programs write it. What tells
// cards apart is the UUID.
func newCHUID() []byte {
	fascN := []byte{0xd4, 0xe7, 0x39, 0xda, 0x73, 0x9c, 0xed, 0x39, 0xce, 0x73, 0x9d, 0x83, 0x68,
		0x58, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21, 0xc8, 0x42, 0x10, 0xc3, 0xeb}
	uuid := random(16) // RFC 9562, Section 5.4
	uuid[6], uuid[8] = uuid[6]&0x0f|0x40, uuid[8]&0x3f|0x80
	return fields{{0x30, fascN}, {0x34, uuid}, {0x35, []byte("20500101")}, {0x3e, nil}, {0xfe, nil}}.bytes()
}

// newCCC is a card capability container: NIST SP 800-73-4, Part 1, Section 3.1.1 and
// Table 8. The card's identifier begins with GSC-IS's RID, a maker that is
// none (FF) and the kind of card, Java; the rest of it is random.
func newCCC() []byte {
	id := append([]byte{0xa0, 0x00, 0x00, 0x01, 0x16, 0xff, 0x02}, random(14)...)
	return fields{{0xf0, id}, {0xf1, []byte{0x21}}, {0xf2, []byte{0x21}}, {0xf3, nil}, {0xf4, []byte{0x00}}, {0xf5, []byte{0x10}},
		{0xf6, nil}, {0xf7, nil}, {0xfa, nil}, {0xfb, nil}, {0xfc, nil}, {0xfd, nil}, {0xfe, nil}}.bytes()
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
