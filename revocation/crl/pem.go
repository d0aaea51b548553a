package crl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

const (
	pemBegin = "-----BEGIN " + PEMType + "-----\n"
	pemEnd   = "-----END " + PEMType + "-----\n"
	lineDER  = 48              // octets of DER in a line
	lineLen  = lineDER*4/3 + 1 // octets of a line, with its end
)

// A PEM is the PEM of one CRL, encoded as it is read, from anywhere in it: of a big
// CRL it is never in memory. It is safe for concurrent use if its DER is.
type PEM struct {
	der  io.ReaderAt
	size int64 // of der
}

// NewPEM makes one of DER that has size octets.
func NewPEM(der io.ReaderAt, size int64) PEM { return PEM{der, size} }

// Size is how many octets the PEM has.
func (p PEM) Size() int64 { return int64(len(pemBegin)) + p.body() + int64(len(pemEnd)) }

// body is the size of the base64 with its line ends.
func (p PEM) body() int64 { return (p.size+2)/3*4 + (p.size+lineDER-1)/lineDER }

// ReadAt is that of [io.ReaderAt].
func (p PEM) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("reading PEM before its beginning")
	}
	n = readText(b, pemBegin, off)
	for n < len(b) && err == nil {
		at := off + int64(n) - int64(len(pemBegin))
		if at >= p.body() {
			n += readText(b[n:], pemEnd, at-p.body())
			break
		}
		var got int
		got, err = p.readLines(b[n:], at)
		n += got
	}
	if n < len(b) && err == nil {
		err = io.EOF
	}
	return n, err
}

func readText(b []byte, text string, off int64) int {
	if off >= int64(len(text)) {
		return 0
	}
	return copy(b, text[off:])
}

// linesAtOnce is how many lines are encoded at a time.
const linesAtOnce = 512

// readLines reads some of the body, from at on, which is within it.
func (p PEM) readLines(b []byte, at int64) (int, error) {
	first := at / lineLen
	last := min(first+linesAtOnce, (at+int64(len(b))+lineLen-1)/lineLen)
	der := make([]byte, min((last-first)*lineDER, p.size-first*lineDER))
	if n, err := p.der.ReadAt(der, first*lineDER); n < len(der) {
		return 0, fmt.Errorf("reading a CRL: %w", err)
	}
	text := make([]byte, 0, (last-first)*lineLen)
	for len(der) > 0 {
		n := min(len(der), lineDER)
		text = append(base64.StdEncoding.AppendEncode(text, der[:n]), '\n')
		der = der[n:]
	}
	return copy(b, text[at-first*lineLen:]), nil
}
