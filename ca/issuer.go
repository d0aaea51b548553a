package ca

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"signet/internal/sigalg"
)

// An Issuer is a CA certificate with its key. It is the only type that holds a
// CA key, and it signs nothing but certificates that passed the check against
// their profile, and certificate lists of its own. It is safe for concurrent
// use if its signer is, as all software keys are.
type Issuer struct {
	cert      *x509.Certificate
	above     []*x509.Certificate // what signed cert, root last; empty for a root
	signer    crypto.Signer
	id        string
	algorithm sigalg.Algorithm
	// notBefore and notAfter bound what may be issued: the time in which this
	// certificate and all above it are valid.
	notBefore, notAfter time.Time
}

// NewIssuer makes an issuer of a CA certificate, the certificates above it
// (what signed it first, the root last; none for a root) and its key. It fails
// where the key is not the certificate's, where cert may not sign certificates
// and CRLs, or where the chain does not hold.
func NewIssuer(cert *x509.Certificate, chain []*x509.Certificate, signer crypto.Signer) (*Issuer, error) {
	if !samePublicKey(cert.PublicKey, signer.Public()) {
		return nil, errors.New("the key is not the CA certificate's")
	}
	const needed = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	if !cert.IsCA || cert.KeyUsage&needed != needed {
		return nil, fmt.Errorf("the certificate of %q may not sign certificates and CRLs", cert.Subject)
	}
	if len(cert.SubjectKeyId) == 0 {
		return nil, fmt.Errorf("the CA certificate of %q has no subject key identifier", cert.Subject)
	}
	algorithm, err := sigalg.For(signer.Public())
	if err != nil {
		return nil, err
	}
	i := &Issuer{
		cert: cert, above: chain, signer: signer, id: IssuerID(cert), algorithm: algorithm,
		notBefore: cert.NotBefore, notAfter: cert.NotAfter,
	}
	return i, i.checkChain()
}

// checkChain verifies each signature up to the root and narrows the issuer's
// time to that of the whole chain.
func (i *Issuer) checkChain() error {
	below := i.cert
	for _, c := range i.above {
		if err := below.CheckSignatureFrom(c); err != nil {
			return fmt.Errorf("%q is not signed by %q: %w", below.Subject, c.Subject, err)
		}
		if c.NotBefore.After(i.notBefore) {
			i.notBefore = c.NotBefore
		}
		if c.NotAfter.Before(i.notAfter) {
			i.notAfter = c.NotAfter
		}
		below = c
	}
	if err := below.CheckSignatureFrom(below); err != nil {
		return fmt.Errorf("the chain ends with %q, which is no root: %w", below.Subject, err)
	}
	return nil
}

// ID names the issuer in URLs and in the store; see [IssuerID].
func (i *Issuer) ID() string { return i.id }

// Certificate is the issuer's own certificate.
func (i *Issuer) Certificate() *x509.Certificate { return i.cert }

// Chain is what a TLS server or client sends after a leaf: the issuer's own
// certificate and those above it, without the root; empty for a root.
func (i *Issuer) Chain() []*x509.Certificate {
	if len(i.above) == 0 {
		return nil
	}
	return append([]*x509.Certificate{i.cert}, i.above[:len(i.above)-1]...)
}

// Root is the certificate at the top; a root's own.
func (i *Issuer) Root() *x509.Certificate {
	if len(i.above) == 0 {
		return i.cert
	}
	return i.above[len(i.above)-1]
}

// IssuerID is the first 16 hex digits of the SHA-256 of a CA certificate's
// SubjectPublicKeyInfo: it stays when the certificate is renewed with its key.
func IssuerID(cert *x509.Certificate) string { return issuerID(cert.RawSubjectPublicKeyInfo) }

func issuerID(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:8])
}

func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
