package softcard_test

import (
	"path/filepath"
	"testing"

	"signet/piv/softcard"
)

func TestVerify(t *testing.T) {
	c := selected(t, softcard.Config{})
	want(t, c, "00200080", "63C3")
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, "00200080", "9000")
	want(t, c, selectPIV, "9000")
	want(t, c, "00200080", "9000") // selecting PIV again changes nothing
	want(t, c, "0020FF80", "9000")
	want(t, c, "00200080", "63C3")
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, "00A4040008A000000527471117", "9000")
	want(t, c, selectPIV, "9000")
	want(t, c, "00200080", "63C3") // another application in between does
	want(t, c, "00200096", "6A88")
	want(t, c, "002000800431323334", "6A80")
	want(t, c, "0020008008"+wrong8, "63C2")
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, "0020008008"+wrong8, "63C2")
	want(t, c, "00200080", "63C2") // no longer verified
	want(t, c, "0020008008"+wrong8, "63C1")
	want(t, c, "0020008008"+wrong8, "63C0")
	want(t, c, "0020008008"+pin8, "6983")
	want(t, c, "00200080", "6983")
}

func TestChangePIN(t *testing.T) {
	c := selected(t, softcard.Config{})
	const new8, short8 = "373737373737FFFF", "3737373737FFFFFF"
	want(t, c, "0024008010"+wrong8+new8, "63C2")
	want(t, c, "0024008010"+wrong8+short8, "63C1") // counts before the new one is looked at
	want(t, c, "0024008010"+pin8+short8, "6A80")
	want(t, c, "0024008010"+pin8+new8, "9000")
	want(t, c, "0020008008"+pin8, "63C2")
	want(t, c, "0020008008"+new8, "9000")
	want(t, c, "0024008110"+puk8+new8, "9000")
	want(t, c, "002C008010"+puk8+pin8, "63C2")
	want(t, c, "002C008010"+new8+short8, "6A80")
	want(t, c, "002C008010"+new8+pin8, "9000")
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, "0024008208"+pin8, "6A88")
	want(t, c, "002C008108"+pin8, "6A88")
}

func TestRetriesAndReset(t *testing.T) {
	c := selected(t, softcard.Config{})
	want(t, c, "00FB0000", "6985")
	want(t, c, "00FA1402", "6982")
	authenticate3DES(t, c)
	want(t, c, "00FA1402", "6982") // the PIN, too
	want(t, c, "0020008008"+pin8, "9000")
	want(t, c, "00FA1402", "9000")
	want(t, c, "00200080", "63CF") // 20 tries, of which the nibble tells 15
	equal(t, "metadata of the PIN", want(t, c, "00F7008000", "9000"), "0101FF 050101 06021414")
	equal(t, "metadata of the PUK", want(t, c, "00F7008100", "9000"), "0101FF 050101 06020202")
	for range 20 {
		send(t, c, "0020008008"+wrong8)
	}
	want(t, c, "00FB0000", "6985")
	want(t, c, "002C008010"+wrong8+pin8, "63C1")
	want(t, c, "002C008010"+wrong8+pin8, "63C0")
	before := want(t, c, "00CB3FFF0000055C035FFF01", "9000")
	want(t, c, "00FB0000", "9000")
	want(t, c, "00200080", "63C3")
	want(t, c, "00FA0303", "6982") // the management key is to be authenticated again
	after := want(t, c, "00CB3FFF0000055C035FFF01", "9000")
	if string(before) != string(after) {
		t.Error("the reset changed the attestation certificate")
	}
}

func TestStateOutlivesTheCard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "card.json")
	cfg := softcard.Config{Path: path, Firmware: softcard.Version{5, 7, 1}, Serial: 4711, Root: testRoot(t)}
	c := selected(t, cfg)
	authenticate(t, c, "0A", defaultKey)
	point := want(t, c, "0047009A05AC03800111", "9000")
	want(t, c, long("00DB3FFF", putData("5FC102", []byte{7})), "9000")
	attested := want(t, c, "00F99A00000000", "9000")
	want(t, c, "0020008008"+wrong8, "63C2")
	if _, err := softcard.Open(cfg); err == nil {
		t.Error("two cards have one file")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if resp := c.Transmit(unhex(t, "00FD0000")); resp != nil {
		t.Errorf("a closed card answers %x", resp)
	}

	c = selected(t, softcard.Config{Path: path})
	equal(t, "serial", want(t, c, "00F8000000", "9000"), "00001267")
	want(t, c, "00200080", "63C2")
	equal(t, "object", want(t, c, "00CB3FFF055C035FC10200", "9000"), "530107")
	if meta := want(t, c, "00F7009A00", "9000"); string(meta[len(meta)-65:]) != string(point[len(point)-65:]) {
		t.Error("another key")
	}
	again := want(t, c, "00F99A00000000", "9000")
	if string(again[len(again)-20:]) == string(attested[len(attested)-20:]) {
		t.Error("attestations have serial numbers of their own")
	}
	c.Close()
	if _, err := softcard.Open(softcard.Config{Path: path, Serial: 1}); err == nil {
		t.Error("opened the card of another serial number")
	}
}
