package crl

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"signet/ca"
)

const (
	scanPiece = 256 << 10 // of entries that are in memory
	scanEntry = 16 << 10  // an entry is no longer
	scanEnds  = 64 << 10  // nor what is before all of them, or behind
)

// A Scanned is a CRL of any size in a file, of which only the head is in memory: its
// Raw, RawTBS and All are empty.
type Scanned struct {
	*List
	tbs *io.SectionReader
}

// Scan is [Parse] of the first size octets of f, which it reads piece by piece. It calls
// each with every entry, valid during the call only, and fails with what that fails with.
func Scan(f io.ReaderAt, size int64, each func(Revoked) error) (*Scanned, error) {
	s := &Scanned{List: &List{}}
	begin, end, err := s.scanHead(f, size)
	switch {
	case err == nil:
		return s, s.scanEntries(io.NewSectionReader(f, begin, end-begin), each)
	case errors.Is(err, ErrUnsupported):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
}

// scanHead reads all but the entries, and returns where those are.
func (s *Scanned) scanHead(f io.ReaderAt, size int64) (begin, end int64, err error) {
	head, err := readPart(f, 0, min(size, scanEnds))
	if err != nil {
		return 0, 0, err
	}
	list, n, ok := opened(head)
	if !ok || int64(len(head)-len(list))+n != size {
		return 0, 0, errDER
	}
	tbsAt := int64(len(head) - len(list))
	tbs, n, ok := opened(list)
	tbsEnd := int64(len(head)-len(tbs)) + n
	if !ok || tbsEnd > size {
		return 0, 0, errDER
	}
	var p parts
	rest, err := p.readBefore(tbs)
	if err != nil {
		return 0, 0, err
	}
	begin = int64(len(head) - len(rest))
	end = begin
	if entries, n, ok := opened(rest); ok && begin < tbsEnd {
		begin = int64(len(head) - len(entries))
		end = begin + n
	}
	if end > tbsEnd || size-end > scanEnds {
		return 0, 0, errDER
	}
	tail, err := readPart(f, end, size-end)
	if err == nil {
		err = p.readBehind(tail, int(tbsEnd-end))
	}
	if err == nil {
		s.RawIssuer, s.tbs = p.issuer, io.NewSectionReader(f, tbsAt, tbsEnd-tbsAt)
		err = s.readHead(p)
	}
	return begin, end, err
}

func readPart(f io.ReaderAt, at, n int64) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(io.NewSectionReader(f, at, n), b)
	return b, err
}

// opened reads the header of a SEQUENCE of n octets, whose content may not be there in
// whole.
func opened(b []byte) (content []byte, n int64, ok bool) {
	if len(b) < 2 || b[0] != tagSequence {
		return nil, 0, false
	}
	n = int64(b[1])
	if size := int(b[1] & 0x7f); b[1] >= 0x80 {
		if size < 1 || size > 4 || len(b) < 2+size {
			return nil, 0, false
		}
		n = 0
		for _, octet := range b[2 : 2+size] {
			n = n<<8 | int64(octet)
		}
	}
	short := header(tagSequence, n) // DER has one form only (X.690, Section 10.1)
	return b[min(len(short), len(b)):], n, bytes.HasPrefix(b, short)
}

// readBefore reads what is before revokedCertificates in tbs.
func (p *parts) readBefore(tbs []byte) (rest cryptobyte.String, err error) {
	rest = tbs
	var issuer, time cryptobyte.String
	var tag asn1.Tag
	if !rest.SkipASN1(asn1.INTEGER) || !rest.SkipASN1(asn1.SEQUENCE) ||
		!rest.ReadASN1Element(&issuer, asn1.SEQUENCE) || !rest.ReadAnyASN1(&time, &tag) {
		return nil, errDER
	}
	p.issuer = issuer
	if !rest.PeekASN1Tag(asn1.UTCTime) && !rest.PeekASN1Tag(asn1.GeneralizedTime) {
		return nil, errors.New("it has no nextUpdate") // RFC 5280, Section 5.1.2.5
	}
	if !rest.ReadAnyASN1(&time, &tag) {
		return nil, errDER
	}
	p.before = tbs[:len(tbs)-len(rest)]
	return rest, nil
}

// readBehind reads what is behind revokedCertificates, of which so much is of the TBSCertList.
func (p *parts) readBehind(tail cryptobyte.String, ofTBS int) error {
	rest, behind := tail[:ofTBS], tail[ofTBS:]
	var extensions, algorithm, signature cryptobyte.String
	context0 := asn1.Tag(0).ContextSpecific().Constructed()
	if rest.PeekASN1Tag(context0) && !rest.ReadASN1Element(&extensions, context0) || !rest.Empty() {
		return errDER
	}
	if !behind.ReadASN1Element(&algorithm, asn1.SEQUENCE) || !behind.ReadASN1Element(&signature, asn1.BIT_STRING) || !behind.Empty() {
		return errDER
	}
	p.extensions, p.algorithm, p.signature = extensions, algorithm, signature
	return nil
}

func (s *Scanned) scanEntries(from *io.SectionReader, each func(Revoked) error) error {
	buffer := make([]byte, min(scanPiece, from.Size()))
	have, left := 0, from.Size()
	for left > 0 || have > 0 {
		n, err := io.ReadFull(from, buffer[have:min(int64(len(buffer)), int64(have)+left)])
		if err != nil {
			return err
		}
		left -= int64(n)
		rest := buffer[:have+n]
		for len(rest) > scanEntry || left == 0 && len(rest) > 0 {
			var r Revoked
			if r, rest, err = readEntry(rest); err == nil && r.Reason == ca.RemoveFromCRL && s.Base == nil { // RFC 5280, Section 5.3.1
				err = errEntry
			}
			if err != nil {
				return fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			s.Entries++
			if err := each(r); err != nil {
				return err
			}
		}
		have = copy(buffer, rest)
	}
	return nil
}

// CheckSignature is [CheckSignature], for ECDSA and RSA with PKCS #1 v1.5: others sign no
// digest, or have parameters. It fails with [ErrUnsupported] for those.
func (s *Scanned) CheckSignature(issuer *x509.Certificate) error {
	if !bytes.Equal(s.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("%w: it is by %q, not by %q", ErrSignature, s.Issuer, issuer.Subject)
	}
	if err := mayIssue(issuer); err != nil {
		return fmt.Errorf("%w %q: %w", ErrSignature, issuer.Subject, err)
	}
	hash := digestOf(s.head.SignatureAlgorithm)
	if hash == 0 {
		return fmt.Errorf("%w: signed with %v", ErrUnsupported, s.head.SignatureAlgorithm)
	}
	h := hash.New()
	if _, err := io.Copy(h, io.NewSectionReader(s.tbs, 0, s.tbs.Size())); err != nil {
		return err
	}
	isRSA, good := s.head.SignatureAlgorithm < x509.ECDSAWithSHA1, false
	switch pub := issuer.PublicKey.(type) {
	case *ecdsa.PublicKey:
		good = !isRSA && ecdsa.VerifyASN1(pub, h.Sum(nil), s.Signature)
	case *rsa.PublicKey:
		good = isRSA && rsa.VerifyPKCS1v15(pub, hash, h.Sum(nil), s.Signature) == nil
	}
	if !good {
		return fmt.Errorf("%w %q", ErrSignature, issuer.Subject)
	}
	return nil
}

func digestOf(a x509.SignatureAlgorithm) crypto.Hash {
	switch a {
	case x509.SHA256WithRSA, x509.ECDSAWithSHA256:
		return crypto.SHA256
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512:
		return crypto.SHA512
	}
	return 0
}
