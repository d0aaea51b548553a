package agent

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"signet/internal/atomicfile"
	"signet/revocation/crl"
)

// inPlace is what the server reads now. Its CRLs were verified to be of our CAs.
type inPlace struct {
	data  []byte
	lists []*crl.List // by the index of the CA; nil without a file
}

func (p *inPlace) is(data []byte) bool { return p.data != nil && bytes.Equal(p.data, data) }

func (p *inPlace) list(i int) *crl.List {
	if p.lists == nil {
		return nil
	}
	return p.lists[i]
}

// until is when the first CRL in place runs out; zero where a level is missing.
func (p *inPlace) until() (first time.Time) {
	for _, l := range p.lists {
		if l == nil {
			return time.Time{}
		}
		if first.IsZero() || l.NextUpdate.Before(first) {
			first = l.NextUpdate
		}
	}
	return first
}

// readInPlace reads file and state. A file that is not there, is broken or is
// of another CA is replaced, since the server can't work with it. One that
// holds certificates or a key was named by mistake: [ErrNotOurs].
func (f *fetch) readInPlace() error {
	data, err := os.ReadFile(f.Path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.warn("the file in place can't be read: %v", err)
		}
		return nil
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			return fmt.Errorf("%w: %s holds a %s", ErrNotOurs, f.Path, block.Type)
		}
	}
	lists, err := f.parse(data)
	if err == nil {
		lists, err = f.newest(lists)
	}
	if err != nil {
		f.warn("the file in place is of no use and will be replaced: %v", err)
		return nil
	}
	f.inPlace = inPlace{data: data, lists: lists}
	f.readState()
	return nil
}

// replace puts the new file in place. Whoever reads it may be another user: a
// CRL is public.
func (f *fetch) replace(data []byte) error {
	if err := atomicfile.Write(f.Path, data, 0o644); err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	f.Logger.Info("the CRL is replaced", "path", f.Path)
	return nil
}
