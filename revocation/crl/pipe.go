package crl

import (
	"errors"
	"io"
)

// How much goes through at a time, and how many such pieces are under way: the
// memory that a list of any size takes.
const (
	pieceSize = 256 << 10
	pieces    = 4
)

// A pipe writes what it is given to a file, while another goroutine hashes it.
type pipe struct {
	file     io.WriterAt
	position int64 // where the next piece goes

	piece  []byte      // being filled
	free   chan []byte // empty ones
	filled chan []byte // for the hash, in order
	done   chan error  // what hashing came to, once
	failed chan struct{}
}

func newPipe(file io.WriterAt, hash io.Writer) *pipe {
	p := &pipe{
		file: file, piece: make([]byte, 0, pieceSize), free: make(chan []byte, pieces),
		filled: make(chan []byte, pieces), done: make(chan error, 1), failed: make(chan struct{}),
	}
	for range pieces - 1 {
		p.free <- nil // made when they are needed
	}
	go p.hash(hash)
	return p
}

// errHash stands for the error that close returns.
var errHash = errors.New("it can't be signed")

// hash ends when filled is closed, with the first error.
func (p *pipe) hash(to io.Writer) {
	var failed error
	for piece := range p.filled {
		if failed == nil {
			if _, failed = to.Write(piece); failed != nil {
				close(p.failed)
			}
		}
		p.free <- piece[:0]
	}
	p.done <- failed
}

func (p *pipe) write(data []byte) error {
	for len(data) > 0 {
		n := min(len(data), cap(p.piece)-len(p.piece))
		p.piece = append(p.piece, data[:n]...)
		data = data[n:]
		if len(p.piece) == cap(p.piece) {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pipe) flush() error {
	if len(p.piece) == 0 {
		return nil
	}
	piece := p.piece
	p.filled <- piece
	_, err := p.file.WriteAt(piece, p.position) // hashing only reads it, too
	p.position += int64(len(piece))
	select {
	case <-p.failed:
		return errHash
	default:
	}
	if p.piece = <-p.free; p.piece == nil {
		p.piece = make([]byte, 0, pieceSize)
	}
	return err
}

// close writes the rest and waits for the hash.
func (p *pipe) close() error {
	err := p.flush()
	close(p.filled)
	if hashed := <-p.done; hashed != nil {
		return hashed
	}
	return err
}
