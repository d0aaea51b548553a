package softcard

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
)

// algorithm is the algorithm identifier of a key: NIST SP 800-78-4, Table
// 6-2; E0 and E1 are Yubico's.
type algorithm byte

const (
	algRSA3072 algorithm = 0x05
	algRSA1024 algorithm = 0x06
	algRSA2048 algorithm = 0x07
	algP256    algorithm = 0x11
	algP384    algorithm = 0x14
	algRSA4096 algorithm = 0x16
	algEd25519 algorithm = 0xE0
	algX25519  algorithm = 0xE1
)

var errAlgorithm = errors.New("no such algorithm")

// supports says which algorithms a firmware has.
func (v Version) supports(a algorithm) bool {
	switch a {
	case algRSA1024, algRSA2048, algP256, algP384:
		return true
	case algRSA3072, algRSA4096, algEd25519, algX25519:
		return v.AtLeast(Version{5, 7, 0})
	}
	return false
}

// rsaBits is zero for what is not RSA.
func (a algorithm) rsaBits() int {
	switch a {
	case algRSA1024:
		return 1024
	case algRSA2048:
		return 2048
	case algRSA3072:
		return 3072
	case algRSA4096:
		return 4096
	}
	return 0
}

// curve is nil for what is not a NIST curve.
func (a algorithm) curve() elliptic.Curve {
	switch a {
	case algP256:
		return elliptic.P256()
	case algP384:
		return elliptic.P384()
	}
	return nil
}

// generate makes a private key.
func (a algorithm) generate() (privateKey, error) {
	switch {
	case a.rsaBits() > 0:
		return rsa.GenerateKey(rand.Reader, a.rsaBits())
	case a.curve() != nil:
		return ecdsa.GenerateKey(a.curve(), rand.Reader)
	case a == algEd25519:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	case a == algX25519:
		return ecdh.X25519().GenerateKey(rand.Reader)
	}
	return nil, errAlgorithm
}

// encodePublic gives a public key as GENERATE ASYMMETRIC KEY PAIR does,
// within 7F49: NIST SP 800-73-4 Part 2, Table 11.
func encodePublic(pub crypto.PublicKey) []byte {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		e := []byte{byte(k.E >> 16), byte(k.E >> 8), byte(k.E)}
		return append(element(0x81, k.N.Bytes()), element(0x82, e)...)
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return nil
		}
		return element(0x86, point)
	case ed25519.PublicKey:
		return element(0x86, k)
	case *ecdh.PublicKey:
		return element(0x86, k.Bytes())
	}
	return nil
}
