// Package cardserials reads lists of cards' serial numbers: a text file, one to a line,
// or the CSV file that came with a purchase order.
package cardserials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The bounds of a list.
const (
	MaxOctets  = 64 << 20
	MaxSerials = 1_000_000
)

// A List is what was read: each serial number once, in ascending order.
type List struct {
	Serials []uint32
	// Repeated is how many were there more than once.
	Repeated int
	// Column says from which column of a CSV file they are, for people: its heading in quotes, or
	// its number.
	Column string
}

// ReadFile reads a list: as [ParseCSV] does where the name ends in .csv, else as
// [ParseText]. Its errors name the file and, where there is one, the line.
func ReadFile(path string) (List, error) {
	f, err := os.Open(path)
	if err != nil {
		return List{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxOctets+1))
	if err != nil {
		return List{}, err
	}
	if len(data) > MaxOctets {
		return List{}, fmt.Errorf("%s: more than %d MiB", path, MaxOctets>>20)
	}
	parse := ParseText
	if strings.HasSuffix(strings.ToLower(path), ".csv") {
		parse = ParseCSV
	}
	l, err := parse(data)
	var at *LineError
	if errors.As(err, &at) {
		return List{}, fmt.Errorf("%s:%w", path, err)
	}
	if err != nil {
		return List{}, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// A LineError is what is wrong in a line.
type LineError struct {
	Line   int // counted from 1
	Reason string
}

func (e *LineError) Error() string { return fmt.Sprintf("%d: %s", e.Line, e.Reason) }

// ParseText reads one serial number to a line. What follows a # is a comment; empty
// lines are let pass.
func ParseText(data []byte) (List, error) {
	var all []uint32
	line := 0
	for text := range bytes.Lines(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))) {
		line++
		text, _, _ = bytes.Cut(text, []byte("#"))
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		n, ok := parseSerial(string(text))
		if !ok {
			return List{}, notSerial(line, string(text))
		}
		if all = append(all, n); len(all) > MaxSerials {
			return List{}, tooMany(line)
		}
	}
	return listOf(all)
}

func notSerial(line int, text string) error {
	return &LineError{line, fmt.Sprintf("%.40q is no card's serial number", text)}
}

func tooMany(line int) error {
	return &LineError{line, fmt.Sprintf("more than %d serial numbers", MaxSerials)}
}

// parseSerial reads a serial number as it stands on a card.
func parseSerial(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0 && s[0] != '+'
}

func listOf(all []uint32) (List, error) {
	if len(all) == 0 {
		return List{}, errors.New("no serial number in it")
	}
	slices.Sort(all)
	once := slices.Compact(slices.Clone(all))
	return List{Serials: once, Repeated: len(all) - len(once)}, nil
}
