package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"

	"filippo.io/edwards25519"
	"github.com/titanous/rocacheck"
)

// A KeyError says which rule refused a public key.
type KeyError struct {
	Rule   string // "key.size", "key.roca", …
	Reason string // for people
}

func (e *KeyError) Error() string { return e.Reason }

// A KeyPolicy says which public keys may be certified. The zero value refuses
// those that are weak in themselves.
type KeyPolicy struct {
	// Blocked, where given, reports whether the key with this SHA-256 of its
	// SubjectPublicKeyInfo is known to be compromised.
	Blocked func(keyID [32]byte) bool
}

// CheckPublicKey refuses weak keys with a [*KeyError]; it is the zero
// [KeyPolicy]'s.
func CheckPublicKey(pub crypto.PublicKey) error { return KeyPolicy{}.CheckPublicKey(pub) }

// CheckPublicKey refuses a key with a [*KeyError] whose Rule is
//
//   - key.algorithm: neither RSA, ECDSA nor Ed25519
//   - key.curve: not P-256 or P-384
//   - key.point: no point of the curve, or one of small order
//   - key.size: RSA of other than 2048, 3072 or 4096 bits
//   - key.exponent: RSA with an exponent other than 65537
//   - key.factors: an RSA modulus with a small factor or with factors too close
//   - key.roca: made by the broken library of Infineon chips (CVE-2017-15361),
//     as in YubiKeys of firmware 4.2.0 to 4.3.4
//   - key.blocked: on the blocklist
func (p KeyPolicy) CheckPublicKey(pub crypto.PublicKey) error {
	if err := checkKey(pub); err != nil {
		return err
	}
	if p.Blocked == nil {
		return nil
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return &KeyError{"key.algorithm", "the key can't be encoded"}
	}
	if p.Blocked(KeyIDOf(spki)) {
		return &KeyError{"key.blocked", "the key is on the list of compromised keys"}
	}
	return nil
}

func checkKey(pub crypto.PublicKey) error {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return checkECDSA(pub)
	case *rsa.PublicKey:
		return checkRSA(pub)
	case ed25519.PublicKey:
		return checkEd25519(pub)
	}
	return &KeyError{"key.algorithm", fmt.Sprintf("keys of type %T are not certified", pub)}
}

func checkECDSA(pub *ecdsa.PublicKey) error {
	if pub.Curve != elliptic.P256() && pub.Curve != elliptic.P384() {
		return &KeyError{"key.curve", "of the elliptic curves only P-256 and P-384 are certified"}
	}
	// ECDH is the conversion that checks the point: on the curve, not at
	// infinity (NIST SP 800-56A, Section 5.6.2.3.3; these curves have cofactor 1).
	if _, err := pub.ECDH(); err != nil {
		return &KeyError{"key.point", "the key is no point of its curve"}
	}
	return nil
}

// checkEd25519 refuses encodings other than RFC 8032's own, and the points of
// small order, for which a signature proves nothing.
func checkEd25519(pub ed25519.PublicKey) error {
	point, err := new(edwards25519.Point).SetBytes(pub)
	if err != nil || string(point.Bytes()) != string(pub) {
		return &KeyError{"key.point", "the key is no point of its curve, canonically encoded"}
	}
	if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return &KeyError{"key.point", "the key is a point of small order"}
	}
	return nil
}

func checkRSA(pub *rsa.PublicKey) error {
	switch bits := pub.N.BitLen(); {
	case bits < 2048:
		return &KeyError{"key.size", fmt.Sprintf("an RSA key of %d bits is too short; 2048 are the least", bits)}
	case bits != 2048 && bits != 3072 && bits != 4096:
		return &KeyError{"key.size", fmt.Sprintf("an RSA key of %d bits; only 2048, 3072 and 4096 are certified", bits)}
	case pub.E != 65537:
		// FIPS 186-5, Section A.1.1 allows odd exponents from 65537 up; every
		// card and library makes 65537.
		return &KeyError{"key.exponent", fmt.Sprintf("the RSA exponent is %d; only 65537 is certified", pub.E)}
	case new(big.Int).GCD(nil, nil, pub.N, smallPrimes).Cmp(big.NewInt(1)) != 0:
		return &KeyError{"key.factors", "the RSA modulus has a small factor"}
	case rocacheck.IsWeak(pub):
		return &KeyError{"key.roca", "the RSA key was made by a chip with the ROCA fault (CVE-2017-15361) and can be factored"}
	case hasCloseFactors(pub.N):
		return &KeyError{"key.factors", "the two factors of the RSA modulus are too close together (CVE-2022-26320)"}
	}
	return nil
}

// smallPrimes is the product of the primes below 752, as NIST SP 800-89,
// Section 5.3.3 would have a modulus tested.
var smallPrimes = func() *big.Int {
	product := big.NewInt(1)
	for n := int64(2); n < 752; n++ {
		if p := big.NewInt(n); p.ProbablyPrime(0) {
			product.Mul(product, p)
		}
	}
	return product
}()

// hasCloseFactors tries Fermat's factorization: n = a²-b² with a from √n up. A
// hundred rounds find every key that broken generators are known to make.
func hasCloseFactors(n *big.Int) bool {
	one := big.NewInt(1)
	a := new(big.Int).Sqrt(n)
	if new(big.Int).Mul(a, a).Cmp(n) < 0 {
		a.Add(a, one)
	}
	for range 100 {
		b2 := new(big.Int).Mul(a, a)
		b2.Sub(b2, n)
		b := new(big.Int).Sqrt(b2)
		if b.Mul(b, b).Cmp(b2) == 0 {
			return true
		}
		a.Add(a, one)
	}
	return false
}

// KeyAlgorithm names a key's algorithm and size as a profile does: "P-256",
// "RSA-3072", "Ed25519"; "" for a kind that Signet doesn't know.
func KeyAlgorithm(pub crypto.PublicKey) string {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return pub.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", pub.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return ""
}
