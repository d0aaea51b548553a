package revocation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// A List is a CRL as it is given out. Its DER is in a file: see [List.Open].
type List struct {
	Issuer    string // the issuer's ID
	Partition int    // 0 for all of the issuer's certificates
	Number    *big.Int
	// Base is the number of the CRL that this one is a delta of; nil for another.
	Base                   *big.Int
	ThisUpdate, NextUpdate time.Time
	Entries                int
	Size                   int64 // of the DER, in octets
	// ETag is an entity tag with its quotes; Modified is in whole seconds, and no
	// two lists of a scope that one Publisher made share it.
	ETag     string
	Modified time.Time

	file *listFile
}

// An OpenList reads the DER of a [List], also when another has taken the List's
// place. It must be closed.
type OpenList struct {
	*io.SectionReader
	file *listFile
}

// Open opens the list's DER. It fails with [os.ErrClosed] for one that was
// replaced: the Publisher has a newer one.
func (l *List) Open() (*OpenList, error) {
	if !l.file.acquire() {
		return nil, fmt.Errorf("CRL number %v: %w", l.Number, os.ErrClosed)
	}
	return &OpenList{io.NewSectionReader(l.file, 0, l.Size), l.file}, nil
}

// Close is to be called once.
func (o *OpenList) Close() error { return o.file.release() }

// loadList reads a file with one CRL of issuer, DER or PEM, and verifies it. idp is
// the distribution point that the CRL must name; "" for a complete one. The list
// stays in the file, which must not change then, or with inMemory is a copy.
func loadList(path string, issuer *x509.Certificate, idp string, inMemory bool) (*List, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l, err := readList(f, issuer, idp, inMemory)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// readList takes f over unless it fails.
func readList(f *os.File, issuer *x509.Certificate, idp string, copied bool) (*List, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !copied && info.Size() >= scanned {
		if l, err := scanList(f, info, issuer, idp); !errors.Is(err, crl.ErrUnsupported) {
			return l, err
		}
	}
	read := contents
	if copied {
		read = readContents
	}
	data, free, err := read(f, info.Size())
	if err != nil {
		return nil, err
	}
	defer free()
	ders, err := crl.Split(data)
	if err != nil {
		return nil, err
	}
	if len(ders) != 1 {
		return nil, fmt.Errorf("%w: %d CRLs where one is expected", crl.ErrMalformed, len(ders))
	}
	parsed, err := crl.Parse(ders[0])
	if err != nil {
		return nil, err
	}
	if err := checkScope(parsed, idp); err != nil {
		return nil, err
	}
	if err := crl.CheckSignature(parsed, issuer); err != nil {
		return nil, err
	}
	l := newList(parsed, int64(len(parsed.Raw)), issuer, info)
	if !copied && &ders[0][0] == &data[0] {
		l.file = &listFile{content: f, refs: 1}
		return l, nil
	}
	memory := crl.Memory(bytes.Clone(parsed.Raw))
	l.file = &listFile{content: inMemory{&memory}, refs: 1}
	return l, f.Close()
}

// scanned is the least size of a list that is read piece by piece: where it is big, its
// pages would be counted as memory of ours.
const scanned = 1 << 20

// scanList is readList of DER that stays in the file. It fails with crl.ErrUnsupported for
// what must be read whole.
func scanList(f *os.File, info os.FileInfo, issuer *x509.Certificate, idp string) (*List, error) {
	s, err := crl.Scan(f, info.Size(), func(crl.Revoked) error { return nil })
	if err == nil {
		err = checkScope(s.List, idp)
	}
	if err == nil {
		err = s.CheckSignature(issuer)
	}
	if err != nil {
		return nil, err
	}
	l := newList(s.List, info.Size(), issuer, info)
	l.file = &listFile{content: f, refs: 1}
	return l, nil
}

func newList(parsed *crl.List, size int64, issuer *x509.Certificate, info os.FileInfo) *List {
	return &List{
		Issuer: ca.IssuerID(issuer), Number: parsed.Number, ThisUpdate: parsed.ThisUpdate, NextUpdate: parsed.NextUpdate,
		Entries: parsed.Entries, Size: size,
		ETag: etag(parsed.Signature), Modified: info.ModTime().Truncate(time.Second),
	}
}

func readContents(f *os.File, size int64) (data []byte, free func(), err error) {
	data = make([]byte, size)
	_, err = io.ReadFull(io.NewSectionReader(f, 0, size), data)
	return data, func() {}, err
}

func checkScope(l *crl.List, idp string) error {
	if idp == "" {
		return l.Complete()
	}
	if l.Base != nil || len(l.IDP) != 1 || l.IDP[0] != idp {
		return errors.New("it is not the CRL of this partition")
	}
	return nil
}

// etag is a strong entity tag (RFC 9110, Section 8.8.3) of what data stands for:
// a CRL's signature for the CRL.
func etag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// RootCRL makes a CRL of the root, or of any issuer whose key is at hand, and
// returns its DER: at init, and again before nextUpdate, which is now and
// lifetime. number must be greater than that of any CRL of this issuer before.
func RootCRL(root *ca.Issuer, number uint64, now time.Time, lifetime time.Duration, entries []Entry) ([]byte, error) {
	if number == 0 {
		return nil, errors.New("making a CRL: numbers begin with 1")
	}
	return crl.Create(root, crl.Template{
		Number: number, ThisUpdate: now.Add(-clockSlack), NextUpdate: now.Add(lifetime),
		Entries: func(yield func(crl.Entry) bool) error {
			for _, e := range entries {
				if !yield(e.line()) {
					break
				}
			}
			return nil
		},
	})
}
