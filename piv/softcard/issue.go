package softcard

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
)

// issue signs a certificate; without a parent it is self-signed.
func issue(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	if parent == nil {
		parent = t
	}
	if k, ok := pub.(*ecdh.PublicKey); ok && k.Curve() == ecdh.X25519() {
		return issueX25519(t, parent, k, key)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// signedCertificate is RFC 5280, Section 4.1.
type signedCertificate struct {
	TBS       asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// issueX25519 does what crypto/x509 refuses to: a certificate for a key that
// cannot sign. It makes one for an Ed25519 key of the same bytes, whose
// SubjectPublicKeyInfo differs only in the algorithm (RFC 8410, Section 4),
// puts the right one there, and signs again.
func issueX25519(t, parent *x509.Certificate, pub *ecdh.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	twin, err := issue(t, parent, ed25519.PublicKey(pub.Bytes()), key)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	var c signedCertificate
	if _, err := asn1.Unmarshal(twin.Raw, &c); err != nil {
		return nil, fmt.Errorf("reading a certificate of our own: %w", err)
	}
	tbs := bytes.Replace(c.TBS.FullBytes, twin.RawSubjectPublicKeyInfo, spki, 1)
	signature, err := crypto.SignMessage(key, rand.Reader, tbs, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	c.TBS = asn1.RawValue{FullBytes: tbs}
	c.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err := asn1.Marshal(c)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial is 16 random bytes, made positive and full length.
func newSerial() *big.Int {
	b := randomBytes(16)
	b[0] = b[0]&0x7F | 0x40
	return new(big.Int).SetBytes(b)
}
