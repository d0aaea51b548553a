package cardserials

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// maxColumns bounds the columns that are looked at.
const maxColumns = 256

// ParseCSV reads the serial numbers of a purchase order. Orders differ, so it is
// tolerant: commas, semicolons or tabs; UTF-8 or UTF-16 with a byte order mark;
// quotes where they please; Excel's ="12345678". The column is the one whose heading
// has the word "serial", or else the first that holds nothing but numbers. In that
// column, what is no serial number is an error, but for empty cells.
func ParseCSV(data []byte) (List, error) {
	rows, err := readRows(toUTF8(data))
	if err != nil {
		return List{}, err
	}
	column, body := serialColumn(rows)
	if column < 0 {
		return List{}, errors.New("no column is headed \"serial\", and none holds numbers alone")
	}
	var all []uint32
	for _, r := range body {
		cell := r.cell(column)
		if cell == "" {
			continue
		}
		n, ok := parseSerial(cell)
		if !ok {
			return List{}, notSerial(r.line, cell)
		}
		all = append(all, n)
	}
	l, err := listOf(all)
	l.Column = columnName(rows[:len(rows)-len(body)], column)
	return l, err
}

// columnName is the heading of the column, which the last of the rows above the numbers has; or
// else which column it is.
func columnName(above []row, column int) string {
	if len(above) > 0 {
		if heading := above[len(above)-1].cell(column); heading != "" {
			return fmt.Sprintf("%.40q", heading)
		}
	}
	return fmt.Sprintf("number %d", column+1)
}

// toUTF8 takes a byte order mark off, and reads UTF-16 where it says so: Excel's
// "Unicode text".
func toUTF8(data []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	}
	units := make([]uint16, 0, len(data)/2)
	for rest := data[2:]; len(rest) >= 2; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return []byte(string(utf16.Decode(units)))
}

// A row is a line's cells.
type row struct {
	line  int
	cells []string
}

// cell is the nth, without what programs put around a number.
func (r row) cell(n int) string {
	if n >= len(r.cells) {
		return ""
	}
	c := strings.TrimSpace(r.cells[n])
	if inner, ok := strings.CutPrefix(c, `="`); ok {
		c = strings.TrimSuffix(inner, `"`)
	}
	return strings.TrimSpace(strings.TrimPrefix(c, "'"))
}

func readRows(data []byte) ([]row, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = separator(data), -1, true
	var rows []row
	for {
		cells, err := r.Read()
		var malformed *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return rows, nil
		case errors.As(err, &malformed):
			return nil, &LineError{malformed.Line, malformed.Err.Error()}
		case err != nil:
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if len(cells) > maxColumns {
			return nil, &LineError{line, "too many columns"}
		}
		if rows = append(rows, row{line, cells}); len(rows) > MaxSerials+1 {
			return nil, tooMany(line)
		}
	}
}

// separator is the one of the usual three that the first line has most of.
func separator(data []byte) rune {
	first, _, _ := bytes.Cut(bytes.TrimLeft(data, "\r\n"), []byte("\n"))
	best, most := ',', 0
	for _, c := range ",;\t" {
		if n := strings.Count(string(first), string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// headingRows is how many rows may stand above the headings: an address, an order number.
const headingRows = 20

// serialColumn finds the column, -1 for none, and the rows below its heading.
func serialColumn(rows []row) (int, []row) {
	for i, r := range rows[:min(len(rows), headingRows)] {
		if n := headed(r); n >= 0 {
			return n, rows[i+1:]
		}
	}
	for body := range heads(rows) {
		for n := range maxColumns {
			if numeric(body, n) {
				return n, body
			}
		}
	}
	return -1, nil
}

// heads yields the rows, and then those below the first.
func heads(rows []row) func(func([]row) bool) {
	return func(yield func([]row) bool) {
		if yield(rows) && len(rows) > 1 {
			yield(rows[1:])
		}
	}
}

// headed is the column that a row of headings names, -1 for none. A heading holds the word
// and no number.
func headed(r row) int {
	found := -1
	for n := range r.cells {
		heading := strings.ToLower(r.cell(n))
		switch {
		case heading == "serial", heading == "s/n", heading == "sn":
			return n
		case found < 0 && (strings.Contains(heading, "serial") || strings.Contains(heading, "seriennummer")) && !strings.ContainsAny(heading, "0123456789"):
			found = n
		}
	}
	return found
}

// numeric reports whether a column holds serial numbers, and nothing else but
// empty cells.
func numeric(rows []row, n int) bool {
	some := false
	for _, r := range rows {
		cell := r.cell(n)
		if cell == "" {
			continue
		}
		if _, ok := parseSerial(cell); !ok {
			return false
		}
		some = true
	}
	return some
}
