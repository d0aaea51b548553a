package ocsp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// An algorithm is a way to sign a response.
type algorithm struct {
	x509 x509.SignatureAlgorithm
	hash crypto.Hash // 0 for Ed25519, which hashes by itself
	oid  encoding_asn1.ObjectIdentifier
	null bool // RFC 4055, Section 5: RSA has NULL parameters, the others none
}

// The algorithms of RFC 5758, RFC 4055 and RFC 8410.
var (
	ecdsaSHA256 = algorithm{x509.ECDSAWithSHA256, crypto.SHA256, encoding_asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, false}
	ecdsaSHA384 = algorithm{x509.ECDSAWithSHA384, crypto.SHA384, encoding_asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, false}
	ecdsaSHA512 = algorithm{x509.ECDSAWithSHA512, crypto.SHA512, encoding_asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, false}
	rsaSHA256   = algorithm{x509.SHA256WithRSA, crypto.SHA256, encoding_asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, true}
	pureEd25519 = algorithm{x509.PureEd25519, 0, encoding_asn1.ObjectIdentifier{1, 3, 101, 112}, false}

	algorithms = []algorithm{ecdsaSHA256, ecdsaSHA384, ecdsaSHA512, rsaSHA256, pureEd25519}
)

// algorithmFor chooses the hash by the strength of the key.
func algorithmFor(pub crypto.PublicKey) (algorithm, error) {
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
	return algorithm{}, fmt.Errorf("no algorithm for a key of type %T", pub)
}

// add writes the AlgorithmIdentifier.
func (a algorithm) add(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		if a.null {
			b.AddASN1NULL()
		}
	})
}

// readAlgorithm reads the AlgorithmIdentifier of one of ours.
func readAlgorithm(in *cryptobyte.String) (algorithm, bool) {
	var content cryptobyte.String
	var oid encoding_asn1.ObjectIdentifier
	if !in.ReadASN1(&content, asn1.SEQUENCE) || !content.ReadASN1ObjectIdentifier(&oid) {
		return algorithm{}, false
	}
	for _, a := range algorithms {
		if a.oid.Equal(oid) {
			return a, true
		}
	}
	return algorithm{}, false
}
