package softcard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The protocol between libpcsclite and pcscd, versions 4:4 and 4:5, as winscard_msg.h
// of PCSC lite has it: a header of two uint32, then the struct of the command,
// then for some commands data; the answer is the struct again with rv filled
// in, and data. Everything is in the machine's order, taken as little-endian.
//
// Libraries before 2.3 speak 4:4 and nothing else, those before 2.4.1 4:5 and nothing
// else; all that 4:5 adds is cmdReaderEvents. Later ones come back at what we speak.
const (
	protocolMajor    = 4
	protocolMinor    = 4
	protocolMinorNew = 5

	maxReaders     = 16  // PCSCLITE_MAX_READERS_CONTEXTS
	readerNameSize = 128 // MAX_READERNAME
	atrSize        = 33  // MAX_ATR_SIZE
	attributeSize  = 264 // MAX_BUFFER_SIZE
	maxTransmit    = 4 + 3 + 1<<16 + 3 + 2
)

// pcscCommand is enum pcsc_msg_commands.
type pcscCommand uint32

const (
	cmdEstablish    pcscCommand = 0x01
	cmdRelease      pcscCommand = 0x02
	cmdConnect      pcscCommand = 0x04
	cmdReconnect    pcscCommand = 0x05
	cmdDisconnect   pcscCommand = 0x06
	cmdBegin        pcscCommand = 0x07
	cmdEnd          pcscCommand = 0x08
	cmdTransmit     pcscCommand = 0x09
	cmdControl      pcscCommand = 0x0A
	cmdStatus       pcscCommand = 0x0B
	cmdCancel       pcscCommand = 0x0D
	cmdGetAttribute pcscCommand = 0x0F
	cmdSetAttribute pcscCommand = 0x10
	cmdVersion      pcscCommand = 0x11
	cmdReaderStates pcscCommand = 0x12
	cmdWaitChange   pcscCommand = 0x13
	cmdStopWaiting  pcscCommand = 0x14
	cmdReaderEvents pcscCommand = 0x15
)

// scardCode is a result of the PC/SC interface, SCARD_….
type scardCode uint32

const (
	scardOK                 scardCode = 0
	scardCancelled          scardCode = 0x80100002
	scardInvalidHandle      scardCode = 0x80100003
	scardInsufficientBuffer scardCode = 0x80100008
	scardNoMemory           scardCode = 0x80100006
	scardUnknownReader      scardCode = 0x80100009
	scardSharingViolation   scardCode = 0x8010000B
	scardProtocolMismatch   scardCode = 0x8010000F
	scardInvalidValue       scardCode = 0x80100011
	scardNotTransacted      scardCode = 0x80100016
	scardServiceStopped     scardCode = 0x8010001E
	scardUnsupported        scardCode = 0x8010001F
	scardReset              scardCode = 0x80100068
	scardRemoved            scardCode = 0x80100069
)

const (
	shareExclusive = 1
	shareDirect    = 3
	protocolT1     = 2
	leaveCard      = 0
	readerReady    = 0x04 | 0x10 | 0x20 // present, powered, negotiable
)

type pcscHeader struct {
	Size    uint32
	Command pcscCommand
}

type versionMsg struct {
	Major, Minor int32
	RV           scardCode
}

type establishMsg struct {
	Scope, Context uint32
	RV             scardCode
}

type contextMsg struct { // release, cancel
	Context uint32
	RV      scardCode
}

type connectMsg struct {
	Context        uint32
	Reader         [readerNameSize]byte
	Share          uint32
	Protocols      uint32
	Card           int32
	ActiveProtocol uint32
	RV             scardCode
}

type reconnectMsg struct {
	Card           int32
	Share          uint32
	Protocols      uint32
	Initialization uint32
	ActiveProtocol uint32
	RV             scardCode
}

type dispositionMsg struct { // disconnect, end transaction
	Card        int32
	Disposition uint32
	RV          scardCode
}

type cardMsg struct { // begin transaction, status
	Card int32
	RV   scardCode
}

type transmitMsg struct {
	Card                     int32
	SendProtocol, SendLength uint32 // of the protocol control information
	Send                     uint32
	RecvProtocol, RecvLength uint32
	Recv                     uint32
	RV                       scardCode
}

type controlMsg struct {
	Card       int32
	Code       uint32
	Send, Recv uint32
	Returned   uint32
	RV         scardCode
}

type attributeMsg struct {
	Card   int32
	ID     uint32
	Value  [attributeSize]byte
	Length uint32
	RV     scardCode
}

type waitMsg struct {
	Timeout uint32
	RV      scardCode
}

type eventsMsg struct {
	Events uint32 // how many readers came and went, from 1, in 15 bits
	RV     scardCode
}

// readerState is READER_STATE, 184 bytes; a dump is always 16 of them.
type readerState struct {
	Name      [readerNameSize]byte
	Events    uint32
	State     uint32
	Sharing   int32 // contexts that use it; -1: one, exclusively
	ATR       [atrSize]byte
	_         [3]byte
	ATRLength uint32
	Protocol  uint32
}

var errMalformed = errors.New("malformed message")

// readBody reads the struct of a message into msg, which must fill it.
func readBody(r io.Reader, h pcscHeader, msg any) error {
	if int(h.Size) != binary.Size(msg) {
		return fmt.Errorf("%w: command %#x with %d bytes", errMalformed, uint32(h.Command), h.Size)
	}
	return binary.Read(r, binary.LittleEndian, msg)
}

// readData reads the n bytes that follow a struct.
func readData(r io.Reader, n uint32) ([]byte, error) {
	if n > maxTransmit {
		return nil, fmt.Errorf("%w: %d bytes of data", errMalformed, n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// encodeMessage is a struct and the data that follow it, for a single write.
func encodeMessage(msg any, data []byte) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, msg)
	if err != nil {
		return nil // no struct of this file gets here
	}
	return append(b, data...)
}

// cString is the text before the first zero byte.
func cString(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}
