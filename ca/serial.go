package ca

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"sync"
)

// A Serial is a certificate's serial number: 20 octets, big-endian, the first
// from 0x01 to 0x7f, so that its DER is 20 octets long and positive (RFC 5280,
// Section 4.1.2.2).
//
// One of ours is made of a random first octet, the number of a block that the
// store reserved (4 octets), a count within that block (3 octets) and 96 random
// bits. Block and count make it unique without a write for each certificate;
// the random bits make it unpredictable.
type Serial [20]byte

// ErrBadSerial is a serial number that is not 20 octets of the form of [Serial].
var ErrBadSerial = errors.New("not a serial number of this CA: want 40 hexadecimal digits")

// ParseSerial reads the 40 hex digits that String writes; colons are let pass.
func ParseSerial(s string) (Serial, error) {
	var out Serial
	digits := make([]byte, 0, 40)
	for i := range len(s) {
		if s[i] != ':' {
			digits = append(digits, s[i])
		}
		if len(digits) > 40 {
			return out, ErrBadSerial
		}
	}
	if n, err := hex.Decode(out[:], digits); err != nil || n != len(out) || !out.valid() {
		return Serial{}, ErrBadSerial
	}
	return out, nil
}

// SerialOf converts a parsed certificate's serial number; false where it is
// none that this CA can have issued.
func SerialOf(n *big.Int) (Serial, bool) {
	var out Serial
	if n == nil || n.Sign() <= 0 || n.BitLen() > 8*len(out) {
		return out, false
	}
	n.FillBytes(out[:])
	return out, out.valid()
}

func (s Serial) valid() bool { return s[0] >= 0x01 && s[0] <= 0x7f }

// Big is the number itself.
func (s Serial) Big() *big.Int { return new(big.Int).SetBytes(s[:]) }

// String is 40 lower-case hex digits.
func (s Serial) String() string { return hex.EncodeToString(s[:]) }

// MarshalText is String.
func (s Serial) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSerial.
func (s *Serial) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSerial(string(text))
	return err
}

// A SerialStore reserves blocks of serial numbers.
type SerialStore interface {
	// ReserveSerialBlock returns a number that it has never returned before, and
	// that no other process on this store will be given. The reservation is on
	// disk before it returns.
	ReserveSerialBlock(ctx context.Context) (uint32, error)
}

// A SerialSource hands out serial numbers, none of them twice. It is safe for
// concurrent use.
type SerialSource struct {
	store SerialStore

	mu    sync.Mutex // owns the fields below
	ready bool
	block uint32
	count uint32
}

// perBlock is how many serials a block gives: its count has 3 octets.
const perBlock = 1 << 24

// NewSerialSource makes a source that takes its blocks from store.
func NewSerialSource(store SerialStore) *SerialSource { return &SerialSource{store: store} }

// Reserve takes a block ahead of the first Next, which then has nothing to
// write.
func (s *SerialSource) Reserve(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ensure(ctx)
}

// Next returns a serial number that is reserved in the store: no later Next,
// in this process or another one, returns it.
func (s *SerialSource) Next(ctx context.Context) (Serial, error) {
	block, count, err := s.take(ctx)
	if err != nil {
		return Serial{}, err
	}
	var out Serial
	if _, err := rand.Read(out[:]); err != nil {
		return Serial{}, fmt.Errorf("drawing a serial number: %w", err)
	}
	out[0] = 0x01 + out[0]%0x7f
	binary.BigEndian.PutUint32(out[1:5], block)
	out[5], out[6], out[7] = byte(count>>16), byte(count>>8), byte(count)
	return out, nil
}

func (s *SerialSource) take(ctx context.Context) (block, count uint32, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ensure(ctx); err != nil {
		return 0, 0, err
	}
	s.count++
	return s.block, s.count - 1, nil
}

// ensure takes another block where none is left to count in; mu is held.
func (s *SerialSource) ensure(ctx context.Context) error {
	if s.ready && s.count < perBlock {
		return nil
	}
	block, err := s.store.ReserveSerialBlock(ctx)
	if err != nil {
		return fmt.Errorf("reserving serial numbers: %w", err)
	}
	s.block, s.count, s.ready = block, 0, true
	return nil
}
