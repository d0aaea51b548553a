package softcard

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

var fuzzRoot = sync.OnceValues(NewRoot)

// fuzzAttestation is made once, as RSA keys take time.
var fuzzAttestation = sync.OnceValues(func() (a struct {
	key         *key
	certificate []byte
}, err error) {
	root, err := fuzzRoot()
	if err != nil {
		return a, err
	}
	c, err := Open(Config{Root: root})
	if err != nil {
		return a, err
	}
	defer c.Close()
	err = c.ensureAttestation()
	a.key, a.certificate = c.st.Keys[slotAttestation], c.st.Objects[objectAttestation]
	return a, err
})

// frames joins APDUs, each with its length before it.
func frames(apdus ...string) []byte {
	var out []byte
	for _, s := range apdus {
		b, _ := hex.DecodeString(s)
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(b))), b...)
	}
	return out
}

// FuzzAPDU feeds sequences of APDUs to a card that is already authenticated:
// it must answer each with a status word.
func FuzzAPDU(f *testing.F) {
	f.Add(frames("00A4040005A000000308", "00FD0000", "00F80000", "0020008008313233343536FFFF", "00200080"))
	f.Add(frames("0047009A08AC06800111AB0103", "00F7009A00", "00F99A00000000", "0087119A067C0482008100"))
	f.Add(frames("0087039B047C028000", "0087009B047C028100", "0087039B047C028200", "00FFFFFF0203000000"))
	f.Add(frames("10CB3FFF025C03", "00CB3FFF035FC10200", "00C0000000", "00DB3FFF075C035FC1025300"))
	f.Add(frames("00FE119E03060101", "00FE079E0301010102010103", "00F6FF9A", "00F6829A", "00FA0101", "00FB0000"))
	f.Add(frames("00A4040008A000000527471117", "001D000000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := fuzzRoot()
		if err != nil {
			t.Fatal(err)
		}
		firmware := Version{5, 4, 3}
		if len(data)%2 == 1 {
			firmware = Version{5, 7, 1}
		}
		c, err := Open(Config{Root: root, Firmware: firmware})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		attestation, err := fuzzAttestation()
		if err != nil {
			t.Fatal(err)
		}
		c.st.Keys[slotAttestation], c.st.Objects[objectAttestation] = attestation.key, attestation.certificate
		c.Transmit([]byte{0, 0xFD, 0, 0})
		c.ses.selected, c.ses.pin, c.ses.admin = pivApplication, true, true
		for range 16 {
			if len(data) < 2 {
				return
			}
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			apdu := data[2 : 2+n]
			if len(apdu) > 1 && apdu[1] == insGenerate && bytes.ContainsAny(apdu, "\x05\x06\x07\x16") {
				return // RSA keys take seconds, and show nothing new
			}
			if resp := c.Transmit(apdu); len(resp) < 2 {
				t.Fatalf("%x: answer %x", apdu, resp)
			}
			data = data[2+n:]
		}
	})
}

// scriptedConn is a connection whose other side has said all it will.
type scriptedConn struct {
	net.Conn
	in io.Reader
}

func (c scriptedConn) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c scriptedConn) Write(b []byte) (int, error)      { return len(b), nil }
func (c scriptedConn) SetWriteDeadline(time.Time) error { return nil }
func (c scriptedConn) Close() error                     { return nil }

// message encodes one message of the PC/SC protocol.
func message(cmd pcscCommand, body any) []byte {
	b := encodeMessage(body, nil)
	return append(encodeMessage(pcscHeader{uint32(len(b)), cmd}, nil), b...)
}

// FuzzPCSC feeds a client's bytes to the stand-in for pcscd.
func FuzzPCSC(f *testing.F) {
	f.Add(message(cmdVersion, versionMsg{Major: 4, Minor: 4}))
	f.Add(bytes.Join([][]byte{
		message(cmdVersion, versionMsg{Major: 4, Minor: 5}),
		message(cmdEstablish, establishMsg{Scope: 2}),
		message(cmdReaderEvents, struct{}{}),
		message(cmdReaderStates, struct{}{}),
		message(cmdWaitChange, struct{}{}),
		message(cmdStopWaiting, waitMsg{}),
		message(cmdConnect, connectMsg{Context: 1, Share: 1, Protocols: 2}),
		message(cmdBegin, cardMsg{Card: 1}),
		message(cmdTransmit, transmitMsg{Card: 1, Send: 4}), {0, 0xFD, 0, 0},
		message(cmdGetAttribute, attributeMsg{Card: 1, ID: attributeATR, Length: 264}),
		message(cmdEnd, dispositionMsg{Card: 1, Disposition: 1}),
		message(cmdReconnect, reconnectMsg{Card: 1, Share: 2, Protocols: 2}),
		message(cmdControl, controlMsg{Card: 1}),
		message(cmdDisconnect, dispositionMsg{Card: 1}),
		message(cmdCancel, contextMsg{Context: 1}),
		message(cmdRelease, contextMsg{Context: 1}),
	}, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		card, err := Open(Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer card.Close()
		r := &reader{card: card, name: "Yubico YubiKey CCID 00 00"}
		p := newPCSC()
		p.readers[0] = r
		c := p.admit(scriptedConn{in: bytes.NewReader(data)})
		h, rv := r.connect(shareExclusive)
		if rv != scardOK {
			t.Fatal(rv)
		}
		h.id = 1
		c.context, c.handles[1] = 1, h
		p.contexts[1] = c
		c.serve(t.Context())
		if r.users != 0 || r.owner != nil || len(p.clients)+len(p.contexts)+len(p.waiting) != 0 {
			t.Errorf("left behind: %+v %+v", r, p)
		}
	})
}

func TestSizes(t *testing.T) {
	for what, c := range map[string]struct{ got, want int }{
		"READER_STATE":     {binary.Size(readerState{}), 184},
		"connect_struct":   {binary.Size(connectMsg{}), 152},
		"transmit_struct":  {binary.Size(transmitMsg{}), 32},
		"getset_struct":    {binary.Size(attributeMsg{}), 280},
		"reconnect_struct": {binary.Size(reconnectMsg{}), 24},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d bytes, want %d", what, c.got, c.want)
		}
	}
}
