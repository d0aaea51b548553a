package softcard

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math/big"
)

var errBadKey = errors.New("not a private key of this algorithm")

// importKey is IMPORT ASYMMETRIC KEY, Yubico's extension.
func (c *Card) importKey(cmd command) answer {
	alg, slot := algorithm(cmd.p1), slotID(cmd.p2)
	if !slot.valid() {
		return status(swWrongP1P2)
	}
	t, ok := parseTLVs(cmd.data)
	if !ok || !c.st.Firmware.supports(alg) {
		return status(swWrongData)
	}
	pin, touch, ok := slot.policies(t)
	if !ok {
		return status(swWrongData)
	}
	private, err := alg.fromParts(t)
	if err != nil {
		return status(swWrongData)
	}
	c.st.Keys[slot] = &key{alg, pin, touch, originImported, private}
	return c.keep(status(swOK))
}

// fromParts builds a private key: 01 to 05 are RSA's p, q, dp, dq and qinv, 06
// a scalar, 07 and 08 the 32 bytes of Ed25519 and X25519.
func (a algorithm) fromParts(t tlvs) (privateKey, error) {
	switch {
	case a.rsaBits() > 0:
		return rsaFromPrimes(t, a.rsaBits())
	case a.curve() != nil:
		size := (a.curve().Params().BitSize + 7) / 8
		if len(t[0x06]) == 0 || len(t[0x06]) > size {
			return nil, errBadKey
		}
		scalar := new(big.Int).SetBytes(t[0x06]).FillBytes(make([]byte, size))
		return ecdsa.ParseRawPrivateKey(a.curve(), scalar)
	case a == algEd25519 && len(t[0x07]) == ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(t[0x07]), nil
	case a == algX25519 && len(t[0x08]) == 32:
		return ecdh.X25519().NewPrivateKey(t[0x08])
	}
	return nil, errBadKey
}

// rsaFromPrimes needs p and q only: a YubiKey's exponent is always 65537.
func rsaFromPrimes(t tlvs, bits int) (*rsa.PrivateKey, error) {
	if len(t[0x01]) != bits/16 || len(t[0x02]) != bits/16 {
		return nil, errBadKey
	}
	p, q := new(big.Int).SetBytes(t[0x01]), new(big.Int).SetBytes(t[0x02])
	one, e := big.NewInt(1), big.NewInt(65537)
	n := new(big.Int).Mul(p, q)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	d := new(big.Int)
	if n.BitLen() != bits || phi.Sign() <= 0 || d.ModInverse(e, phi) == nil {
		return nil, errBadKey
	}
	if new(big.Int).Mod(new(big.Int).Mul(e, new(big.Int).SetBytes(t[0x03])), new(big.Int).Sub(p, one)).Cmp(one) != 0 {
		return nil, errBadKey // dp belongs to another exponent
	}
	k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}, D: d, Primes: []*big.Int{p, q}}
	k.Precompute()
	return k, k.Validate()
}
