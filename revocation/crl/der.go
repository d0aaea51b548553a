package crl

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The universal tags that entries are made of.
const (
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
)

// element reads one DER element off b. A million entries have four million of
// them: nearly all are short, and told without a call.
func element(b []byte) (tag byte, content, rest []byte, ok bool) {
	if len(b) >= 2 && b[1] < 0x80 && b[0]&0x1f != 0x1f {
		end := 2 + int(b[1])
		if end > len(b) {
			return 0, nil, nil, false
		}
		return b[0], b[2:end], b[end:], true
	}
	input := cryptobyte.String(b)
	var out cryptobyte.String
	var t asn1.Tag
	if !input.ReadAnyASN1(&out, &t) {
		return 0, nil, nil, false
	}
	return byte(t), out, input, true
}

// isInteger reports whether content is that of an INTEGER in its shortest form
// (X.690, Section 8.3.2).
func isInteger(content []byte) bool {
	switch {
	case len(content) == 0:
		return false
	case len(content) == 1:
		return true
	}
	return !(content[0] == 0 && content[1] < 0x80) && !(content[0] == 0xff && content[1] >= 0x80)
}

// readTime reads the content of a UTCTime or GeneralizedTime of the one form
// that RFC 5280, Section 4.1.2.5 allows: with seconds, and in Zulu.
func readTime(tag byte, b []byte) (time.Time, bool) {
	year := 0
	switch {
	case tag == tagUTCTime && len(b) == 13:
		if year = digits(b[:2]) + 1900; year < 1950 {
			year += 100
		}
		b = b[2:]
	case tag == tagGeneralizedTime && len(b) == 15:
		year = 100*digits(b[:2]) + digits(b[2:4])
		b = b[4:]
	default:
		return time.Time{}, false
	}
	month, day, hour, minute, second := digits(b[0:2]), digits(b[2:4]), digits(b[4:6]), digits(b[6:8]), digits(b[8:10])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysOf(month, year) ||
		uint(hour) > 23 || uint(minute) > 59 || uint(second) > 59 || b[10] != 'Z' {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC), true
}

// digits is the number that two digits are; far below zero where they are none.
func digits(b []byte) int {
	hi, lo := b[0]-'0', b[1]-'0'
	if hi > 9 || lo > 9 {
		return -1 << 20
	}
	return int(hi)*10 + int(lo)
}

func daysOf(month, year int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
