package piv

import (
	"fmt"
	"strconv"
)

// Valid reports whether s is a slot that holds a person's key: 9a, 9c, 9d, 9e,
// or a retired one, 82 to 95.
func (s Slot) Valid() bool {
	switch s {
	case SlotAuthentication, SlotSignature, SlotKeyManagement, SlotCardAuthentication:
		return true
	}
	return s >= 0x82 && s <= 0x95
}

// ParseSlot reads two hex digits: "9a".
func ParseSlot(text string) (Slot, error) {
	n, err := strconv.ParseUint(text, 16, 8)
	if s := Slot(n); err == nil && len(text) == 2 && s.Valid() {
		return s, nil
	}
	return 0, fmt.Errorf("%q is no PIV slot: 9a, 9c, 9d, 9e, or 82 to 95", text)
}
