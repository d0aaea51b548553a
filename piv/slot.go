package piv

import (
	"fmt"
	"strconv"
)

// FirstMoving is the first firmware that moves keys from slot to slot.
var FirstMoving = Version{5, 7, 0}

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

// Slots are all valid ones: the four that have a purpose, then the retired ones.
func Slots() []Slot {
	return append([]Slot{SlotAuthentication, SlotSignature, SlotKeyManagement, SlotCardAuthentication}, RetiredSlots()...)
}

// RetiredSlots are 82 to 95.
func RetiredSlots() (all []Slot) {
	for s := Slot(0x82); s <= 0x95; s++ {
		all = append(all, s)
	}
	return all
}
