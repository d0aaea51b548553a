package agent

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"signet/revocation/crl"
)

const (
	beginCRL = "-----BEGIN " + crl.PEMType + "-----"
	endCRL   = "-----END " + crl.PEMType + "-----"

	// maxLists is how many CRLs there may be in one file: far more levels than any CA has.
	maxLists = 64
	// maxLine bounds a line of PEM, and of what stands between the blocks.
	maxLine = 64 << 10
)

// scan reads DER of one CRL or PEM of several, at most limit octets, and calls
// yield with each one's DER as soon as it is whole. A CRL says its own length at its
// beginning: it takes that much memory, once, and what claims too much takes none.
func scan(r io.Reader, limit int64, yield func(der []byte) error) error {
	s := &scanner{limit: limit, left: limit + 1, from: r}
	s.r = bufio.NewReaderSize(s, maxLine)
	first, err := s.r.Peek(1)
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: there is nothing", crl.ErrMalformed)
	case err != nil:
		return err
	case first[0] == '<':
		return fmt.Errorf("%w: it is an HTML page", crl.ErrMalformed)
	case first[0] == 0x30: // a SEQUENCE
		return s.der(yield)
	}
	return s.pem(yield)
}

// A scanner reads from what may be a network. It keeps its limit, and its own
// error apart from those of a CRL that is cut short.
type scanner struct {
	from        io.Reader
	limit, left int64 // left of the octets that are allowed, and one
	r           *bufio.Reader
	padded      bool // the base64 of this block has ended
}

func (s *scanner) Read(p []byte) (int, error) {
	n, err := s.from.Read(p[:min(int64(len(p)), s.left)])
	if s.left -= int64(n); s.left <= 0 {
		return 0, s.tooBig()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &readError{err}
	}
	return n, err
}

func (s *scanner) tooBig() error { return fmt.Errorf("%w: more than %d octets", ErrTooBig, s.limit) }

// A readError is one of reading, and not of what was read.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// der reads one CRL and nothing behind it.
func (s *scanner) der(yield func([]byte) error) error {
	head, err := s.r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	size, err := s.size(head)
	if err != nil {
		return err
	}
	der := make([]byte, size)
	if n, err := io.ReadFull(s.r, der); err != nil {
		return broken(err, n, size)
	}
	if _, err := s.r.ReadByte(); err == nil {
		return fmt.Errorf("%w: octets follow it", crl.ErrMalformed)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return yield(der)
}

func broken(err error, got, size int) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, new(*readError)) {
		return fmt.Errorf("%w: it ends after %d of %d octets", crl.ErrMalformed, got, size)
	}
	return err
}

// size is how long the DER that begins with head is.
func (s *scanner) size(head []byte) (int, error) {
	if len(head) < 2 || head[0] != 0x30 {
		return 0, fmt.Errorf("%w: it does not begin as one", crl.ErrMalformed)
	}
	n, octets := int64(head[1]), 0
	if n >= 0x80 { // the long form: so many octets of length (X.690, Section 8.1.3.5)
		if octets = int(n & 0x7f); octets == 0 || octets > 4 || len(head) < 2+octets {
			return 0, fmt.Errorf("%w: it does not begin as one", crl.ErrMalformed)
		}
		n = 0
		for _, b := range head[2 : 2+octets] {
			n = n<<8 | int64(b)
		}
	}
	if n += int64(2 + octets); n > s.limit {
		return 0, s.tooBig()
	}
	return int(n), nil
}

// pem reads blocks; other lines may stand between them, as "openssl crl -text" writes them.
func (s *scanner) pem(yield func([]byte) error) error {
	for found := 0; ; {
		line, err := s.line()
		switch {
		case errors.Is(err, io.EOF) && found == 0:
			return fmt.Errorf("%w: neither DER nor PEM", crl.ErrMalformed)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case string(line) != beginCRL:
			if bytes.HasPrefix(line, []byte("-----BEGIN ")) {
				return fmt.Errorf("%w: PEM of something else: %.40q", crl.ErrMalformed, line)
			}
			continue
		}
		if found++; found > maxLists {
			return fmt.Errorf("%w: more than %d of them", crl.ErrMalformed, maxLists)
		}
		der, err := s.block()
		if err != nil {
			return err
		}
		if err := yield(der); err != nil {
			return err
		}
	}
}

// line is the next one without blanks at its ends; good until the next read.
func (s *scanner) line() ([]byte, error) {
	line, err := s.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: a line of more than %d octets", crl.ErrMalformed, maxLine)
	case errors.Is(err, io.EOF) && len(line) > 0:
	case err != nil:
		return nil, err
	}
	return bytes.TrimSpace(line), nil
}

// block reads base64 up to the end of the block.
func (s *scanner) block() ([]byte, error) {
	var der, joined []byte
	rest := make([]byte, 0, 3) // fewer than four characters, for the next line
	s.padded = false
	for {
		line, err := s.line()
		if errors.Is(err, io.EOF) {
			return nil, broken(io.EOF, len(der), max(cap(der), len(der)))
		}
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(line, []byte("-----")) {
			return s.endBlock(line, der, rest)
		}
		if len(rest) > 0 {
			joined = append(append(joined[:0], rest...), line...)
			line = joined
		}
		whole := len(line) &^ 3
		if der, err = s.decode(der, line[:whole]); err != nil {
			return nil, err
		}
		rest = append(rest[:0], line[whole:]...)
	}
}

func (s *scanner) endBlock(line, der, rest []byte) ([]byte, error) {
	switch {
	case string(line) != endCRL || len(rest) > 0:
		return nil, fmt.Errorf("%w: a PEM block does not end as it should", crl.ErrMalformed)
	case len(der) == 0 || len(der) != cap(der):
		return nil, fmt.Errorf("%w: a PEM block of %d octets", crl.ErrMalformed, len(der))
	}
	return der, nil
}

// decode appends base64 to der, whose capacity is what it says its size is.
func (s *scanner) decode(der, text []byte) ([]byte, error) {
	var scratch [4 << 10]byte
	for len(text) > 0 {
		chunk := text[:min(len(text), len(scratch)/3*4)]
		text = text[len(chunk):]
		n, err := base64.StdEncoding.Decode(scratch[:], chunk)
		if err != nil || s.padded {
			return nil, fmt.Errorf("%w: not base64", crl.ErrMalformed)
		}
		s.padded = n < len(chunk)/4*3
		if der == nil {
			size, err := s.size(scratch[:min(n, 6)])
			if err != nil {
				return nil, err
			}
			der = make([]byte, 0, size)
		}
		if len(der)+n > cap(der) {
			return nil, fmt.Errorf("%w: octets follow it", crl.ErrMalformed)
		}
		der = append(der, scratch[:n]...)
	}
	return der, nil
}
