package softcard_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"signet/piv/softcard"
)

// pin as VERIFY wants it.
const (
	pin8      = "313233343536FFFF"
	puk8      = "3132333435363738"
	wrong8    = "393939393939FFFF"
	selectPIV = "00A4040005A000000308"
)

// unhex reads hex that may have blanks.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// send transmits, and gives data and status word apart.
func send(t testing.TB, c *softcard.Card, apdu string) (data []byte, sw string) {
	t.Helper()
	resp := c.Transmit(unhex(t, apdu))
	if len(resp) < 2 {
		t.Fatalf("%.20s: answer %x", apdu, resp)
	}
	n := len(resp) - 2
	return resp[:n], strings.ToUpper(hex.EncodeToString(resp[n:]))
}

// want transmits, and holds the status word to what it should be.
func want(t testing.TB, c *softcard.Card, apdu, sw string) []byte {
	t.Helper()
	data, got := send(t, c, apdu)
	if got != sw {
		t.Fatalf("%.40s: %s, want %s", apdu, got, sw)
	}
	return data
}

// long makes an extended APDU.
func long(head string, data []byte) string {
	return head + "00" + hex.EncodeToString([]byte{byte(len(data) >> 8), byte(len(data))}) + hex.EncodeToString(data)
}

// selected is a card of a firmware with PIV selected.
func selected(t testing.TB, cfg softcard.Config) *softcard.Card {
	t.Helper()
	c := newCard(t, cfg)
	want(t, c, selectPIV, "9000")
	return c
}

func equal(t testing.TB, what string, got []byte, want string) {
	t.Helper()
	if !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("%s: %X, want %s", what, got, want)
	}
}

func TestSelect(t *testing.T) {
	c := newCard(t, softcard.Config{Firmware: softcard.Version{5, 7, 1}, Serial: 0x01020304, FormFactor: 3})
	want(t, c, "00FD000000", "6D00") // nothing selected
	equal(t, "PIV", want(t, c, "00A404000BA000000308000010000100", "9000"), "61114F0600001000010079074F05A000000308")
	equal(t, "PIV by its RID", want(t, c, selectPIV+"00", "9000"), "61114F0600001000010079074F05A000000308")
	equal(t, "version", want(t, c, "00FD0000", "9000"), "050701")
	equal(t, "serial", want(t, c, "00F8000000", "9000"), "01020304")
	want(t, c, "00A4040008A000000647 2F0001", "6A82")
	want(t, c, "00A40000023F00", "6A82")
	want(t, c, "0077000000", "6D00")
	want(t, c, "80FD000000", "6E00")
	if got := want(t, c, "00A4040008A000000527471117", "9000"); !bytes.HasSuffix(got, []byte("5.7.1")) {
		t.Errorf("management: %q", got)
	}
	equal(t, "configuration", want(t, c, "001D000000", "9000"),
		"21 010110 030110 020401020304 040103 0503050701 06020000 07010F 080100 0A0100")
}

func TestLengths(t *testing.T) {
	c := selected(t, softcard.Config{})
	for _, bad := range []string{"", "00", "00FD00", "00CB3FFF055C03", "00CB3FFF0000", "00CB3FFF0000055C03", "00CB3FFF025C030000"} {
		want(t, c, bad, "6700")
	}
	authenticate3DES(t, c)
	object := bytes.Repeat([]byte{0xA5}, 600)
	want(t, c, long("00DB3FFF", putData("5FC105", object)), "9000")

	data := want(t, c, "00CB3FFF055C035FC10500", "61FF")
	data = append(data, want(t, c, "00C0000000", "615C")...)
	data = append(data, want(t, c, "00C000005C", "9000")...)
	equal(t, "by GET RESPONSE", data, "53820258"+hex.EncodeToString(object))
	want(t, c, "00C0000000", "6985")

	equal(t, "extended", want(t, c, "00CB3FFF0000055C035FC105", "9000"), "53820258"+hex.EncodeToString(object))
	equal(t, "Le of 4", want(t, c, "00CB3FFF055C035FC10504", "61FF"), "53820258")
	want(t, c, "00FD000000", "9000")
	want(t, c, "00C0000000", "6985") // dropped by another command

	want(t, c, "10CB3FFF025C03", "9000")
	want(t, c, "00FD000000", "9000") // drops the chain, too
	want(t, c, "00CB3FFF035FC105", "6A80")
	want(t, c, "10CB3FFF025C03", "9000")
	want(t, c, "00CB3FFF035FC105", "61FF")
	for range 32 {
		want(t, c, "10DB3FFFFF"+strings.Repeat("00", 255), "9000")
	}
	want(t, c, "10DB3FFFFF"+strings.Repeat("00", 255), "6700") // a chain without end
}

func putData(id string, value []byte) []byte {
	b, _ := hex.DecodeString("5C03" + id + "53")
	switch n := len(value); {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	return append(b, value...)
}

func TestObjects(t *testing.T) {
	c := selected(t, softcard.Config{})
	equal(t, "discovery", want(t, c, "00CB3FFF035C017E00", "9000"), "7E124F0BA0000003080000100001005F2F024000")
	want(t, c, "00CB3FFF055C035FC10200", "6A82")
	want(t, c, long("00DB3FFF", putData("5FC102", []byte{1})), "6982")
	authenticate3DES(t, c)
	want(t, c, long("00DB3FFF", putData("5FC102", []byte{1})), "9000")
	equal(t, "CHUID", want(t, c, "00CB3FFF055C035FC10200", "9000"), "530101")
	want(t, c, long("00DB3FFF", putData("5FC102", nil)), "9000")
	want(t, c, "00CB3FFF055C035FC10200", "6A82")
	want(t, c, long("00DB3FFF", putData("5FC105", make([]byte, 3052))), "9000")
	want(t, c, long("00DB3FFF", putData("5FC105", make([]byte, 3053))), "6A84")
	for _, id := range []string{"5FC109", "5FC103", "5FC108", "5FC121"} {
		want(t, c, "00CB3FFF055C03"+id+"00", "6982")
	}
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, "00CB3FFF055C035FC10900", "6A82")
	want(t, c, "00CB3FFF04 5C025FC1", "6A82")
	want(t, c, "00CB3FFE055C035FC10200", "6A86")
	if f9 := want(t, c, "00CB3FFF0000055C035FFF01", "9000"); len(f9) < 500 {
		t.Errorf("the certificate of f9 has %d bytes", len(f9))
	}
}
