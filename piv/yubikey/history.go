//go:build cgo || windows

package yubikey

import (
	"context"
	"errors"

	"signet/piv"
)

// objectHistory is the Key History: NIST SP 800-73-4, Part 1, Section 3.3.3 and Table 20.
const objectHistory object = 0x5fc10c

// Its elements: how many retired slots, from 82 on, have their certificates on the card, and
// how many elsewhere.
const (
	tagOnCard  = 0xc1
	tagOffCard = 0xc2
)

func (c *card) SetKeyHistory(ctx context.Context, last piv.Slot) error {
	return c.managed(ctx, func(l *link) error {
		var now fields
		old, err := l.get(objectHistory)
		switch {
		case err == nil:
			if now, err = parseFields(old); err != nil {
				now = nil // nobody can read it: it is written anew
			}
		case statusOf(err) != swNotFound && !errors.Is(err, errTLV):
			return mapError("reading the Key History", err)
		}
		next, changed := history(now, int(last)-0x82+1)
		if !changed {
			return nil
		}
		return mapManagement("writing the Key History", l.put(objectHistory, next.bytes()))
	})
}

// history is now with at least that many certificates on the card. What it says of certificates
// elsewhere stays.
func history(now fields, onCard int) (next fields, changed bool) {
	if there, ok := now.find(tagOnCard); ok && len(there) == 1 && int(there[0]) >= onCard {
		return now, false
	}
	next = fields{{tagOnCard, []byte{byte(onCard)}}, {tagOffCard, []byte{0}}, {0xfe, nil}}
	if there, ok := now.find(tagOffCard); ok {
		next = fields{next[0]}
		for _, f := range now {
			if f.tag != tagOnCard {
				next = append(next, f)
			}
		}
		// Both together are the retired slots, of which there are twenty.
		if len(there) == 1 && onCard+int(there[0]) > 20 {
			next = fields{next[0], {tagOffCard, []byte{0}}, {0xfe, nil}}
		}
	}
	return next, true
}
