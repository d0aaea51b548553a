package crl

import (
	"errors"
	"fmt"
	"io"

	"signet/ca"
)

// A Written is what [Write] came to.
type Written struct {
	Size      int64 // of the file, in octets
	Entries   int
	Signature []byte // RFC 5280, Section 5.1.1.3: no two lists share it
}

// Write makes a CRL of issuer and writes its DER to f. Entries are hashed and
// written while they are read; nothing is kept, and the bigger part is touched
// once. The signature has been verified when Write returns, and numbers and
// lengths are right: else it fails, and what is in f is no CRL. f is not flushed
// to disk.
func Write(f File, issuer *ca.Issuer, h Head, entries Source) (*Written, error) {
	w, err := newWriter(f, issuer, h)
	if err == nil {
		err = w.write(entries)
	}
	if err != nil {
		return nil, fmt.Errorf("making a CRL: %w", err)
	}
	return &Written{Size: w.size, Entries: w.entries, Signature: w.signature}, nil
}

// A writer makes one CRL.
type writer struct {
	f             File
	signing       *ca.CRLSignature
	algorithm     []byte // DER
	before, after []byte // the entries; of the TBSCertList's content

	out  *pipe
	head int   // the length of the CertificateList's header, as the file has it
	tbs  int64 // the length of the TBSCertList

	entries, counted int
	octets, got      int64 // of entries
	signature        []byte
	size             int64
}

func newWriter(f File, issuer *ca.Issuer, h Head) (*writer, error) {
	cert := issuer.Certificate()
	if err := h.check(cert); err != nil {
		return nil, err
	}
	w := &writer{f: f, signing: issuer.BeginCRL()}
	var err error
	if w.algorithm, err = marshalAlgorithm(issuer); err != nil {
		return nil, err
	}
	w.before = h.beforeEntries(cert, w.algorithm)
	w.after, err = h.afterEntries(cert)
	return w, err
}

func (w *writer) write(entries Source) error {
	w.out = newPipe(w.f, w.signing)
	err := entries(w.begin, w.yield)
	if err == nil {
		err = w.end()
	}
	if closed := w.out.close(); err == nil || errors.Is(err, errHash) {
		err = closed
	}
	if err != nil {
		return err
	}
	return w.sign()
}

// begin writes all that stands before the entries, with the lengths that will
// have been right at the end.
func (w *writer) begin(entries int, octets int64) error {
	if w.tbs != 0 || entries < 0 || octets < 0 || (entries == 0) != (octets == 0) {
		return errors.New("what is revoked begins twice or has no right number")
	}
	w.entries, w.octets = entries, octets
	var list []byte
	if entries > 0 { // RFC 5280, Section 5.1.2.6: absent, not empty, when nothing is revoked
		list = header(tagSequence, octets)
	}
	content := int64(len(w.before)+len(list)+len(w.after)) + octets
	tbs := header(tagSequence, content)
	w.tbs = int64(len(tbs)) + content
	// The signature comes last and its length stands first: that of the longest is
	// nearly always right, and put right where it is not.
	outer := header(tagSequence, w.tbs+int64(len(w.algorithm)+w.signing.MaxLen())+signatureHeader(w.signing.MaxLen()))
	w.head = len(outer)
	w.out.position = int64(len(outer)) // which sign writes
	for _, piece := range [][]byte{tbs, w.before, list} {
		if err := w.out.write(piece); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) yield(der []byte) error {
	if w.got += int64(len(der)); w.got > w.octets {
		return errors.New("there are more entries than was said")
	}
	for rest := der; len(rest) > 0; w.counted++ {
		tag, _, next, ok := element(rest)
		if !ok || tag != tagSequence {
			return errEntry
		}
		rest = next
	}
	return w.out.write(der)
}

func (w *writer) end() error {
	if w.tbs == 0 || w.got != w.octets || w.counted != w.entries {
		return fmt.Errorf("%d entries of %d octets were announced, and %d of %d have come", w.entries, w.octets, w.counted, w.got)
	}
	return w.out.write(w.after)
}

// sign writes what stands behind the TBSCertList, and then what stands before it.
func (w *writer) sign() (err error) {
	w.signature, err = w.signing.Sign(io.NewSectionReader(w.f, int64(w.head), w.tbs))
	if err != nil {
		return err
	}
	tail := append(w.algorithm, header(tagBitString, int64(1+len(w.signature)))...)
	tail = append(append(tail, 0), w.signature...)
	outer := header(tagSequence, w.tbs+int64(len(tail)))
	if len(outer) != w.head { // by an octet, where a length's own length changes
		if err := w.move(int64(len(outer))); err != nil {
			return err
		}
	}
	end := int64(len(outer)) + w.tbs
	w.size = end + int64(len(tail))
	if _, err := w.f.WriteAt(tail, end); err != nil {
		return err
	}
	if err := w.f.Truncate(w.size); err != nil {
		return err
	}
	_, err = w.f.WriteAt(outer, 0)
	return err
}

// move moves the TBSCertList forward to begin at offset to: a shorter header
// than was thought stands before it.
func (w *writer) move(to int64) error {
	if to > int64(w.head) {
		return errors.New("the signature is longer than its key makes them")
	}
	buffer := make([]byte, pieceSize)
	for done := int64(0); done < w.tbs; {
		piece := buffer[:min(int64(len(buffer)), w.tbs-done)]
		if _, err := w.f.ReadAt(piece, int64(w.head)+done); err != nil {
			return err
		}
		if _, err := w.f.WriteAt(piece, to+done); err != nil {
			return err
		}
		done += int64(len(piece))
	}
	return nil
}

// signatureHeader is what stands before n octets of signature: the BIT STRING's
// header and the number of unused bits.
func signatureHeader(n int) int64 { return int64(len(header(tagBitString, int64(1+n)))) + 1 }
