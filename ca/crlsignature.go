package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"hash"
	"io"

	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// CRLSignatureAlgorithm is the AlgorithmIdentifier that [Issuer.BeginCRL] signs
// with: it goes into the CRL twice (RFC 5280, Sections 5.1.1.2 and 5.1.2.2).
func (i *Issuer) CRLSignatureAlgorithm() pkix.AlgorithmIdentifier { return i.algorithm.ID }

// A CRLSignature is the signature of one CRL, in the making: the DER of the
// TBSCertList (RFC 5280, Section 5.1.2) is written to it piece by piece, and then
// it is signed. It refuses anything but a version 2 list of its issuer, so that
// it can't be made to sign a certificate. It is not safe for concurrent use.
type CRLSignature struct {
	issuer *Issuer
	hash   hash.Hash // nil for Ed25519, which signs no digest
	head   []byte    // the first octets, until they are checked
	length int64     // of the whole, as the head says; 0 until it is checked
	got    int64
	err    error // why nothing will be signed
}

// BeginCRL begins the signature of one CRL.
func (i *Issuer) BeginCRL() *CRLSignature {
	s := &CRLSignature{issuer: i}
	if i.algorithm.Hash != 0 {
		s.hash = i.algorithm.Hash.New()
	}
	return s
}

// MaxLen is how many octets a signature has at most. Those of ECDSA differ in length.
func (s *CRLSignature) MaxLen() int {
	switch pub := s.issuer.signer.Public().(type) {
	case *ecdsa.PublicKey:
		// SEQUENCE of two INTEGERs, each perhaps with an octet 0 before it (RFC 3279, Section 2.2.3).
		n := 2 * (3 + (pub.Curve.Params().BitSize+7)/8)
		if n < 128 {
			return 2 + n
		}
		return 3 + n
	case *rsa.PublicKey:
		return pub.Size()
	}
	return ed25519.SignatureSize
}

// Write hashes the next octets. It fails as soon as they can't be a list of the issuer.
func (s *CRLSignature) Write(tbs []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.length == 0 {
		s.head = append(s.head, tbs[:min(len(tbs), maxHead-len(s.head))]...)
		s.length, s.err = s.issuer.checkHead(s.head)
		if s.err == errShort && len(s.head) < maxHead {
			s.err = nil // more is to come
		}
	}
	if s.got += int64(len(tbs)); s.err == nil && s.length > 0 && s.got > s.length {
		s.err = errNotAList
	}
	if s.err != nil {
		return 0, fmt.Errorf("signing CRL: %w", s.err)
	}
	if s.hash != nil {
		_, _ = s.hash.Write(tbs) // a hash.Hash does not fail
	}
	return len(tbs), nil
}

// Sign signs what was written, if it is whole, and verifies the signature.
// again reads the same octets once more: that is only done for a key that
// signs no digest (Ed25519), which wants all of them in memory.
func (s *CRLSignature) Sign(again io.Reader) ([]byte, error) {
	sig, err := s.sign(again)
	if err != nil {
		return nil, fmt.Errorf("signing CRL: %w", err)
	}
	return sig, nil
}

func (s *CRLSignature) sign(again io.Reader) (sig []byte, err error) {
	switch {
	case s.err != nil:
		return nil, s.err
	case s.length == 0 || s.got != s.length:
		return nil, errNotAList
	}
	s.err = errors.New("signed already") // one list, one signature
	if s.hash == nil {
		return s.issuer.signWhole(again, s.length)
	}
	digest := s.hash.Sum(nil)
	if sig, err = s.issuer.signer.Sign(rand.Reader, digest, s.issuer.algorithm.Hash); err != nil {
		return nil, err
	}
	return sig, s.issuer.verifyDigest(digest, sig)
}

// signWhole checks what it reads anew: it need not be what was written.
func (i *Issuer) signWhole(again io.Reader, length int64) ([]byte, error) {
	tbs := make([]byte, length)
	if _, err := io.ReadFull(again, tbs); err != nil {
		return nil, fmt.Errorf("reading it again: %w", err)
	}
	if n, err := i.checkHead(tbs); err != nil || n != length {
		return nil, errors.Join(errNotAList, err)
	}
	sig, err := crypto.SignMessage(i.signer, rand.Reader, tbs, i.algorithm.Hash)
	if err != nil {
		return nil, err
	}
	if pub, ok := i.signer.Public().(ed25519.PublicKey); !ok || !ed25519.Verify(pub, tbs, sig) {
		return nil, errUnverified
	}
	return sig, nil
}

// verifyDigest: a key elsewhere may have been changed, or a computation gone wrong.
func (i *Issuer) verifyDigest(digest, sig []byte) error {
	switch pub := i.cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(pub, digest, sig) {
			return nil
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(pub, i.algorithm.Hash, digest, sig) == nil {
			return nil
		}
	}
	return errUnverified
}

// maxHead bounds what must be seen of a list before it is told from anything
// else: all but a subject of enormous length fits.
const maxHead = 16 << 10

var (
	errNotAList   = errors.New("not a version 2 TBSCertList")
	errShort      = fmt.Errorf("%w: it ends too early", errNotAList)
	errUnverified = errors.New("the signature that the key made does not verify")
)

// checkHead reads the beginning of a TBSCertList as far as tells that it is
// one, of this issuer, and returns how long the whole is. It fails with errShort
// where it can't tell yet.
func (i *Issuer) checkHead(head []byte) (length int64, err error) {
	list, length, err := openSequence(head)
	if err != nil {
		return 0, err
	}
	algorithm, err := i.algorithm.Marshal()
	if err != nil {
		return 0, err
	}
	// RFC 5280, Section 5.1.2: version, signature, issuer and then a Time. A
	// TBSCertificate has a SEQUENCE there, if it has no tag 0 at the beginning.
	want := append(append([]byte{2, 1, 1}, algorithm...), i.cert.RawSubject...)
	if n := min(len(want), len(list)); !bytes.Equal(list[:n], want[:n]) {
		return 0, fmt.Errorf("%w of this issuer with its signature algorithm", errNotAList)
	}
	if len(list) <= len(want) {
		return 0, errShort
	}
	if tag := casn1.Tag(list[len(want)]); tag != casn1.UTCTime && tag != casn1.GeneralizedTime {
		return 0, errNotAList
	}
	return length, nil
}

// openSequence reads the header of a SEQUENCE, whose content may not be there
// in whole; length is with the header.
func openSequence(head []byte) (content []byte, length int64, err error) {
	if len(head) < 6 {
		return nil, 0, errShort
	}
	if casn1.Tag(head[0]) != casn1.SEQUENCE {
		return nil, 0, errNotAList
	}
	n := int64(head[1])
	size := 0
	if head[1] >= 0x80 {
		if size = int(head[1] & 0x7f); size < 1 || size > 4 {
			return nil, 0, errNotAList
		}
		n = 0
		for _, b := range head[2 : 2+size] {
			n = n<<8 | int64(b)
		}
	}
	header := derHeader(casn1.SEQUENCE, n)
	if !bytes.HasPrefix(head, header) { // not the shortest form
		return nil, 0, errNotAList
	}
	return head[len(header):], int64(len(header)) + n, nil
}

// derHeader is tag and length of an element of n octets.
func derHeader(tag casn1.Tag, n int64) []byte {
	if n < 0x80 {
		return []byte{byte(tag), byte(n)}
	}
	var length []byte
	for ; n > 0; n >>= 8 {
		length = append([]byte{byte(n)}, length...)
	}
	return append([]byte{byte(tag), 0x80 | byte(len(length))}, length...)
}
