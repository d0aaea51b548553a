package softcard

import "fmt"

// slotID is the key reference of a slot.
type slotID byte

// The slots with names: NIST SP 800-73-4 Part 1, Table 4, and Yubico's F9.
const (
	slotAuthentication slotID = 0x9A
	slotSignature      slotID = 0x9C
	slotManagement     slotID = 0x9D
	slotCardAuth       slotID = 0x9E
	slotAttestation    slotID = 0xF9
	firstRetired       slotID = 0x82
	lastRetired        slotID = 0x95
)

// valid says whether there is such a slot, f9 included.
func (s slotID) valid() bool {
	switch s {
	case slotAuthentication, slotSignature, slotManagement, slotCardAuth, slotAttestation:
		return true
	}
	return s >= firstRetired && s <= lastRetired
}

// String gives "9a".
func (s slotID) String() string { return fmt.Sprintf("%02x", byte(s)) }

// MarshalText and UnmarshalText make the state file readable.
func (s slotID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads "9a".
func (s *slotID) UnmarshalText(b []byte) error {
	var v byte
	if _, err := fmt.Sscanf(string(b), "%02x", &v); err != nil {
		return fmt.Errorf("slot %q: %w", b, err)
	}
	if *s = slotID(v); !s.valid() {
		return fmt.Errorf("there is no slot %q", b)
	}
	return nil
}

// PINPolicy says when a key wants the PIN. Zero is the slot's default.
type PINPolicy byte

// TouchPolicy says when a key wants a touch. Zero is the default, never.
type TouchPolicy byte

// The policies: Yubico's extensions of PIV.
const (
	PINNever  PINPolicy = 1
	PINOnce   PINPolicy = 2
	PINAlways PINPolicy = 3

	TouchNever  TouchPolicy = 1
	TouchAlways TouchPolicy = 2
	TouchCached TouchPolicy = 3 // one touch is good for 15 s
)

// defaultPIN is the PIN policy of a slot: NIST SP 800-73-4 Part 1, Table 4.
func (s slotID) defaultPIN() PINPolicy {
	switch s {
	case slotSignature:
		return PINAlways
	case slotCardAuth, slotAttestation:
		return PINNever
	}
	return PINOnce
}

// policies reads AA and AB of a GENERATE or IMPORT, with the slot's defaults.
func (s slotID) policies(t tlvs) (PINPolicy, TouchPolicy, bool) {
	pin, okPIN := t.one(0xAA, 0)
	touch, okTouch := t.one(0xAB, 0)
	if !okPIN || !okTouch || pin > byte(PINAlways) || touch > byte(TouchCached) {
		return 0, 0, false
	}
	p, to := PINPolicy(pin), TouchPolicy(touch)
	if p == 0 {
		p = s.defaultPIN()
	}
	if to == 0 {
		to = TouchNever
	}
	return p, to, true
}
