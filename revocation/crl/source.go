package crl

import "io"

// A Source gives the entries of a CRL: it calls begin once with how many there are
// and how many octets they have together, then yield with whole consecutive
// elements of revokedCertificates, as [AppendEntry] makes them, until all are
// out. It fails with what either fails with. der is valid during the call only.
type Source func(begin func(entries int, octets int64) error, yield func(der []byte) error) error

// Encoded is a source of n entries that are in memory.
func Encoded(entries []byte, n int) Source {
	return func(begin func(int, int64) error, yield func([]byte) error) error {
		if err := begin(n, int64(len(entries))); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		return yield(entries)
	}
}

// A File is what a CRL is written to: an *os.File that is empty, or a [Memory].
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
}

// Memory is a small file that is in memory.
type Memory []byte

// ReadAt is that of [io.ReaderAt].
func (m Memory) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt is that of [io.WriterAt].
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	if missing := off + int64(len(p)) - int64(len(*m)); missing > 0 {
		*m = append(*m, make([]byte, missing)...)
	}
	return copy((*m)[off:], p), nil
}

// Truncate cuts the file off at size.
func (m *Memory) Truncate(size int64) error {
	*m = (*m)[:size]
	return nil
}
