package cardserials

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

func utf16le(s string) string {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return string(out)
}

// Orders as shops and spreadsheets write them.
var orders = map[string]string{
	"plain":             "Serial\n12345678\n23456789\n",
	"column by heading": "Item,Qty,Serial Number\nYubiKey 5,1,12345678\nYubiKey 5,1,23456789\n",
	"exact wins":        "Serial prefix,Serial\nAB,12345678\nCD,23456789\n",
	"quoted, CRLF":      "\"Item\",\"serial\"\r\n\"YubiKey 5, NFC\",\"12345678\"\r\n\"x\",\"23456789\"\r\n",
	"BOM":               "\xef\xbb\xbfserial;box\n12345678;1\n23456789;1\n",
	"UTF-16":            utf16le("Serial\tBox\r\n12345678\t1\r\n23456789\t1\r\n"),
	"no heading":        "12345678\n23456789\n",
	"first numeric":     "model,number\n5C,12345678\n5C,23456789\n",
	"above headings":    "Order 4711,,\nFor,Example Ltd,\nModel,Serial,\n5C,12345678,\n5C,23456789,\n,,\n",
	"Excel":             "serial\n=\"12345678\"\n'23456789\n",
	"twice":             "serial\n12345678\n23456789\n12345678\n",
	"German":            "Artikel;Seriennummer\nYubiKey;12345678\nYubiKey;23456789\n",
}

func TestParseCSV(t *testing.T) {
	want := []uint32{12345678, 23456789}
	for name, order := range orders {
		got, err := ParseCSV([]byte(order))
		if err != nil || !reflect.DeepEqual(got.Serials, want) || (got.Repeated == 1) != (name == "twice") {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestWhichColumn(t *testing.T) {
	for order, want := range map[string]string{
		"column by heading": `"Serial Number"`, "no heading": "number 1", "first numeric": `"number"`, "above headings": `"Serial"`,
	} {
		if got, err := ParseCSV([]byte(orders[order])); err != nil || got.Column != want {
			t.Errorf("%s: %s, %v, want %s", order, got.Column, err, want)
		}
	}
}

func TestWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ content, want string }{
		"letters.csv":  {"serial\n12345678\nabc\n", "letters.csv:3: \"abc\" is no card's serial number"},
		"zero.csv":     {"serial\n0\n", "zero.csv:2: "},
		"long.csv":     {"serial\n12345678901\n", "long.csv:2: "},
		"nothing.csv":  {"a,b\nc,d\n", "nothing.csv: no column"},
		"empty.csv":    {"", "empty.csv: no column"},
		"headings.csv": {"serial\n", "headings.csv: no serial number"},
		"text.txt":     {"# ours\n12345678 # alice\n\nx\n", "text.txt:4: \"x\""},
		"none.txt":     {"# none\n", "none.txt: no serial number"},
		"plus.txt":     {"+5\n", "plus.txt:1: "},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := ReadFile(filepath.Join(dir, "missing.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestParseText(t *testing.T) {
	got, err := ParseText([]byte("\xef\xbb\xbf2 # bob\r\n\n1\n2\n"))
	if err != nil || !slices.Equal(got.Serials, []uint32{1, 2}) || got.Repeated != 1 {
		t.Errorf("%v, %v", got, err)
	}
	many := strings.Repeat("7\n", MaxSerials+1)
	if _, err := ParseText([]byte(many)); err == nil {
		t.Error("a million and one were read")
	}
	if _, err := ParseCSV([]byte(many + many)); err == nil {
		t.Error("two million rows were read")
	}
}

// FuzzParse holds that a list is in order, holds no zero, and reads the same again.
func FuzzParse(f *testing.F) {
	for _, order := range orders {
		f.Add([]byte(order))
	}
	f.Add([]byte("\"\n"))
	f.Add([]byte{0xfe, 0xff, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) (List, error){ParseText, ParseCSV} {
			l, err := parse(data)
			if err == nil && (len(l.Serials) == 0 || l.Serials[0] == 0 || !slices.IsSorted(l.Serials)) {
				t.Errorf("%v", l)
			}
		}
	})
}
