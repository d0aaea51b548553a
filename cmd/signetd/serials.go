package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"signet/ca"
)

// What a file of serial numbers may be.
const (
	maxSerials    = 1_000_000
	maxSerialLine = 1 << 10 // octets
)

// A serialList is what a file of serial numbers names.
type serialList struct {
	serials []ca.Serial
	// reasons are those that stand beside serials, for which there is one.
	reasons map[ca.Serial]ca.Reason
	// foreign are those that this CA can't have given a certificate, in lower case.
	foreign []string
}

// serialsFrom reads the serial numbers in the file, or on stdin where it is "-".
func serialsFrom(name string) (serialList, error) {
	if name == "-" {
		return readSerials(os.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return serialList{}, err
	}
	defer f.Close()
	list, err := readSerials(f)
	if err != nil {
		return serialList{}, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}

// readSerials reads serial numbers: each a line, whole, of hexadecimal digits with or
// without colons between them; this CA's have 40. After that, and a space, there may be the
// reason to revoke it with, as RFC 5280 spells it. A # begins a comment, and lines may
// be empty. Before the digits there may be 0x, and before all a byte order mark, as
// spreadsheets write them. One that comes again counts once.
func readSerials(r io.Reader) (serialList, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxSerialLine)
	seen := map[string]bool{}
	list := serialList{reasons: map[ca.Serial]ca.Reason{}}
	n := 0
	for lines.Scan() {
		n++
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		text, _, _ := strings.Cut(line, "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		text = strings.TrimSpace(text)
		why, hasWhy := ca.Reason(0), len(fields) == 2
		if hasWhy && !strings.ContainsFunc(strings.ToLower(fields[0]), notSerial) {
			var err error
			if why, err = ca.ParseReason(fields[1]); err != nil {
				return serialList{}, fmt.Errorf("line %d: %w", n, err)
			}
			text = fields[0]
		}
		digits := strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(text), "0x"), ":", "")
		switch {
		case digits == "" || strings.ContainsFunc(digits, notHex):
			return serialList{}, fmt.Errorf("line %d: %q is no serial number: want hexadecimal digits", n, text)
		case seen[digits]:
			continue
		case len(seen) == maxSerials:
			return serialList{}, fmt.Errorf("more than %d serial numbers: divide them", maxSerials)
		}
		seen[digits] = true
		if serial, err := ca.ParseSerial(digits); err == nil {
			list.serials = append(list.serials, serial)
			if hasWhy {
				list.reasons[serial] = why
			}
		} else {
			list.foreign = append(list.foreign, digits)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return serialList{}, fmt.Errorf("line %d is no serial number: it is too long", n+1)
	} else if err != nil {
		return serialList{}, err
	}
	return list, nil
}

func notSerial(r rune) bool { return notHex(r) && r != ':' && r != 'x' }

func notHex(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }
