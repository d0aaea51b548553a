package softcard

import (
	"encoding/binary"
	"net"
	"testing"
)

// libpcsclite comes in versions that speak 4:4 alone and 4:5 alone, and later ones
// that come back at what they are told. Only one of them is installed here.
func TestProtocolVersions(t *testing.T) {
	card, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	p := newPCSC()
	if _, err := p.Add(card); err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	go p.admit(theirs).serve(t.Context())
	defer ours.Close()
	ask := func(cmd pcscCommand, body, answer any) {
		t.Helper()
		if _, err := ours.Write(message(cmd, body)); err != nil {
			t.Fatal(err)
		}
		if err := binary.Read(ours, binary.LittleEndian, answer); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []struct {
		offered, said int32
		rv            scardCode
	}{{3, 4, scardServiceStopped}, {4, 4, scardOK}, {5, 5, scardOK}, {6, 4, scardServiceStopped}} {
		var got versionMsg
		ask(cmdVersion, versionMsg{Major: 4, Minor: v.offered}, &got)
		if got != (versionMsg{4, v.said, v.rv}) {
			t.Errorf("4:%d: %+v", v.offered, got)
		}
	}
	events := func() uint32 {
		t.Helper()
		var got eventsMsg
		ask(cmdReaderEvents, struct{}{}, &got)
		if got.RV != scardOK {
			t.Errorf("reader events: %#x", uint32(got.RV))
		}
		return got.Events
	}
	before := events()
	card.Unplug()
	gone := events()
	if gone == before || gone != events() {
		t.Errorf("%d events, %d when the reader left, %d later", before, gone, events())
	}
	card.Plug()
	if back := events(); back == gone {
		t.Errorf("%d events when the reader came back", back)
	}
}
