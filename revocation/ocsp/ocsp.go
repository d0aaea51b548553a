// Package ocsp writes and reads the messages of the Online Certificate Status
// Protocol (RFC 6960, with the profile of RFC 5019 and the nonce of RFC 9654).
//
// The server's half is [ParseRequest], [Create] and [ErrorResponse]; the
// client's is a [Query]. golang.org/x/crypto/ocsp has no nonce, sees only the
// first of several CertIDs, refuses signed requests and can't sign with Ed25519;
// Apache asks with a nonce unless told not to.
package ocsp

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // CertIDs are SHA-1 in RFC 5019; it is a name there, not a proof
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The media types of RFC 6960, Appendix A.
const (
	RequestType  = "application/ocsp-request"
	ResponseType = "application/ocsp-response"
)

// ErrMalformed is a message that breaks its syntax or a bound of ours.
var ErrMalformed = errors.New("malformed OCSP message")

var (
	oidNonce = encoding_asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidBasic = encoding_asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	// oidNoCheck marks a responder whose own status need not be asked (RFC 6960, Section 4.2.2.2.1).
	oidNoCheck = encoding_asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
)

// hashes are those that a CertID may be made with.
var hashes = []struct {
	hash crypto.Hash
	oid  encoding_asn1.ObjectIdentifier
}{
	{crypto.SHA1, encoding_asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}},
	{crypto.SHA256, encoding_asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}},
	{crypto.SHA384, encoding_asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}},
	{crypto.SHA512, encoding_asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}},
}

// A CertID names a certificate by its issuer and its serial number.
type CertID struct {
	// Hash made the two below; 0 for one that this package doesn't know.
	Hash           crypto.Hash
	IssuerNameHash []byte
	IssuerKeyHash  []byte
	Serial         *big.Int
	// Raw is the DER as it was sent: an answer repeats it to the octet.
	Raw []byte
}

// NewCertID names the certificate of issuer with that serial number by hash:
// SHA-1, SHA-256, SHA-384 or SHA-512.
func NewCertID(issuer *x509.Certificate, serial *big.Int, hash crypto.Hash) (CertID, error) {
	id := CertID{Hash: hash, Serial: serial}
	var oid encoding_asn1.ObjectIdentifier
	for _, h := range hashes {
		if h.hash == hash {
			oid = h.oid
		}
	}
	if oid == nil {
		return CertID{}, fmt.Errorf("no CertID is made with %v", hash)
	}
	id.IssuerNameHash, id.IssuerKeyHash = issuerHashes(issuer, hash)
	var err error
	id.Raw, err = id.encode(oid, true)
	return id, err
}

// CertIDForms are the ways in which clients name the certificate of issuer with
// that serial number: by each hash, with NULL for its parameters and without any
// (both stand in the field; RFC 5754, Section 2 wants the latter taken). The first
// is by SHA-1 with NULL, which nearly all send.
func CertIDForms(issuer *x509.Certificate, serial *big.Int) ([]CertID, error) {
	var forms []CertID
	for _, h := range hashes {
		for _, null := range []bool{true, false} {
			id := CertID{Hash: h.hash, Serial: serial}
			id.IssuerNameHash, id.IssuerKeyHash = issuerHashes(issuer, h.hash)
			var err error
			if id.Raw, err = id.encode(h.oid, null); err != nil {
				return nil, err
			}
			forms = append(forms, id)
		}
	}
	return forms, nil
}

func (id CertID) encode(oid encoding_asn1.ObjectIdentifier, null bool) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			if null {
				b.AddASN1NULL()
			}
		})
		b.AddASN1OctetString(id.IssuerNameHash)
		b.AddASN1OctetString(id.IssuerKeyHash)
		b.AddASN1BigInt(id.Serial)
	})
	return b.Bytes()
}

// IssuedBy reports whether the CertID names a certificate of issuer.
func (id CertID) IssuedBy(issuer *x509.Certificate) bool {
	if id.Hash == 0 {
		return false
	}
	name, key := issuerHashes(issuer, id.Hash)
	return bytes.Equal(name, id.IssuerNameHash) && bytes.Equal(key, id.IssuerKeyHash)
}

// issuerHashes are the two of RFC 6960, Section 4.1.1: of the issuer's name and
// of the content of its subjectPublicKey BIT STRING.
func issuerHashes(issuer *x509.Certificate, hash crypto.Hash) (name, key []byte) {
	return digest(hash, issuer.RawSubject), digest(hash, publicKeyBits(issuer))
}

func digest(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// publicKeyBits is subjectPublicKey without tag, length and unused-bits octet.
func publicKeyBits(cert *x509.Certificate) []byte {
	spki := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var content cryptobyte.String
	var bits []byte
	if !spki.ReadASN1(&content, asn1.SEQUENCE) || !content.SkipASN1(asn1.SEQUENCE) ||
		!content.ReadASN1BitStringAsBytes(&bits) {
		return nil // can't be: crypto/x509 parsed it
	}
	return bits
}

// readCertID reads one CertID (RFC 6960, Section 4.1.1).
func readCertID(in *cryptobyte.String) (CertID, bool) {
	var element, content, algorithm cryptobyte.String
	var oid encoding_asn1.ObjectIdentifier
	id := CertID{Serial: new(big.Int)}
	if !in.ReadASN1Element(&element, asn1.SEQUENCE) {
		return id, false
	}
	id.Raw = element
	if !element.ReadASN1(&content, asn1.SEQUENCE) ||
		!content.ReadASN1(&algorithm, asn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!content.ReadASN1Bytes(&id.IssuerNameHash, asn1.OCTET_STRING) ||
		!content.ReadASN1Bytes(&id.IssuerKeyHash, asn1.OCTET_STRING) ||
		!content.ReadASN1Integer(id.Serial) || !content.Empty() {
		return id, false
	}
	for _, h := range hashes {
		if h.oid.Equal(oid) {
			id.Hash = h.hash
		}
	}
	return id, true
}
