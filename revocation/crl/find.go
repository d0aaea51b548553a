package crl

import (
	"bytes"
	"math/big"
	"slices"
)

// Find looks up the entry of the certificate with that serial number. The first
// call makes an index of four octets an entry; a call after it costs a microsecond.
func (l *List) Find(serial *big.Int) (Revoked, bool) {
	l.indexed.Do(l.makeIndex)
	var buf [32]byte // longer than any CA's may be
	want := integer(buf[:], serial)
	// By hand: slices.BinarySearchFunc would have buf on the heap.
	low, high := 0, len(l.index)
	for low < high {
		middle := int(uint(low+high) / 2)
		if compareSerials(l.serialAt(l.index[middle]), want) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == len(l.index) || compareSerials(l.serialAt(l.index[low]), want) != 0 {
		return Revoked{}, false
	}
	r, _, _ := readEntry(l.entries[l.index[low]:])
	return r, true
}

// makeIndex sorts only what is not sorted: our own lists are.
func (l *List) makeIndex() {
	l.index = make([]uint32, 0, l.Entries)
	sorted, last := true, []byte(nil)
	for rest := l.entries; len(rest) > 0; {
		offset := uint32(len(l.entries) - len(rest)) // Parse has seen that they fit
		l.index = append(l.index, offset)
		serial := l.serialAt(offset)
		sorted = sorted && compareSerials(last, serial) < 0
		last = serial
		_, _, rest, _ = element(rest)
	}
	if !sorted {
		slices.SortStableFunc(l.index, func(a, b uint32) int { return compareSerials(l.serialAt(a), l.serialAt(b)) })
	}
}

func (l *List) serialAt(offset uint32) []byte {
	_, entry, _, _ := element(l.entries[offset:])
	_, serial, _, _ := element(entry)
	return serial
}

// compareSerials orders serials somehow: ours, which are of one length, by number.
func compareSerials(a, b []byte) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// integer is the content of n's INTEGER, in buf where it fits; n is not negative.
func integer(buf []byte, n *big.Int) []byte {
	octets := n.BitLen()/8 + 1 // one more bit: the sign
	if octets > len(buf) {
		buf = make([]byte, octets)
	}
	return n.FillBytes(buf[:octets])
}
