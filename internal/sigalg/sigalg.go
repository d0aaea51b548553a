// Package sigalg names the algorithms with which Signet signs certificates,
// CRLs and OCSP answers (RFC 4055, RFC 5758, RFC 8410).
package sigalg

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An Algorithm is a way to sign, as crypto/x509 names it, as crypto.Signer wants
// to be told, and as DER has it.
type Algorithm struct {
	X509 x509.SignatureAlgorithm
	Hash crypto.Hash // 0 for Ed25519, which hashes by itself
	ID   pkix.AlgorithmIdentifier
}

var (
	ecdsaSHA256 = Algorithm{x509.ECDSAWithSHA256, crypto.SHA256, id(nil, 1, 2, 840, 10045, 4, 3, 2)}
	ecdsaSHA384 = Algorithm{x509.ECDSAWithSHA384, crypto.SHA384, id(nil, 1, 2, 840, 10045, 4, 3, 3)}
	ecdsaSHA512 = Algorithm{x509.ECDSAWithSHA512, crypto.SHA512, id(nil, 1, 2, 840, 10045, 4, 3, 4)}
	// RFC 4055, Section 5: the parameters of an RSA signature are NULL, not absent.
	rsaSHA256   = Algorithm{x509.SHA256WithRSA, crypto.SHA256, id(asn1.NullBytes, 1, 2, 840, 113549, 1, 1, 11)}
	pureEd25519 = Algorithm{x509.PureEd25519, 0, id(nil, 1, 3, 101, 112)}

	all = []Algorithm{ecdsaSHA256, ecdsaSHA384, ecdsaSHA512, rsaSHA256, pureEd25519}
)

func id(parameters []byte, oid ...int) pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: parameters}}
}

// For chooses the algorithm by the key: the hash is as strong as the curve.
func For(pub crypto.PublicKey) (Algorithm, error) {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		switch pub.Curve.Params().BitSize {
		case 256:
			return ecdsaSHA256, nil
		case 384:
			return ecdsaSHA384, nil
		case 521:
			return ecdsaSHA512, nil
		}
	case *rsa.PublicKey:
		return rsaSHA256, nil
	case ed25519.PublicKey:
		return pureEd25519, nil
	}
	return Algorithm{}, fmt.Errorf("a key of type %T can't sign here", pub)
}

// ByOID is the algorithm with that object identifier.
func ByOID(oid asn1.ObjectIdentifier) (Algorithm, bool) {
	for _, a := range all {
		if a.ID.Algorithm.Equal(oid) {
			return a, true
		}
	}
	return Algorithm{}, false
}

// Marshal is the DER of the AlgorithmIdentifier.
func (a Algorithm) Marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.ID.Algorithm)
		b.AddBytes(a.ID.Parameters.FullBytes)
	})
	return b.Bytes()
}
