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
	want := integer(serial)
	at, found := slices.BinarySearchFunc(l.index, want, func(offset uint32, want []byte) int {
		return compareSerials(l.serialAt(offset), want)
	})
	if !found {
		return Revoked{}, false
	}
	r, _, _ := readEntry(l.entries[l.index[at]:])
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

// integer is the content of n's INTEGER; n is not negative.
func integer(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 || b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return b
}
