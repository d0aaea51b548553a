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

// serialsFrom reads the serial numbers in the file, or on stdin where it is "-".
func serialsFrom(name string) ([]ca.Serial, error) {
	if name == "-" {
		return readSerials(os.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	serials, err := readSerials(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return serials, nil
}

// readSerials reads serial numbers: each a line, whole, of 40 hexadecimal digits with or
// without colons between them. A # begins a comment, and lines may be empty. One
// that comes again counts once.
func readSerials(r io.Reader) ([]ca.Serial, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxSerialLine)
	seen := map[ca.Serial]bool{}
	var serials []ca.Serial
	n := 0
	for lines.Scan() {
		n++
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		serial, err := ca.ParseSerial(strings.ToLower(text))
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %q is %w", n, text, err)
		case seen[serial]:
			continue
		case len(serials) == maxSerials:
			return nil, fmt.Errorf("more than %d serial numbers: divide them", maxSerials)
		}
		seen[serial] = true
		serials = append(serials, serial)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d is no serial number: it is too long", n+1)
	} else if err != nil {
		return nil, err
	}
	return serials, nil
}
