package softcard

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
)

// useKey is GENERAL AUTHENTICATE with a slot's key: NIST SP 800-73-4 Part 2,
// Section 3.2.4. 81 is signed (for RSA: raised to the private exponent), 85 is
// the other side's point of a key agreement.
func (c *Card) useKey(ctx context.Context, cmd command, fresh bool) answer {
	slot := slotID(cmd.p2)
	if !slot.valid() || slot == slotAttestation {
		return status(swWrongP1P2)
	}
	k := c.st.Keys[slot]
	switch {
	case k == nil:
		return status(swWrongData)
	case byte(k.algorithm) != cmd.p1:
		return status(swWrongP1P2)
	}
	t, ok := parseTemplate(tagTemplate, cmd.data)
	if !ok || len(t[tagResponse]) > 0 {
		return status(swWrongData)
	}
	if !c.allowPIN(k.pin, fresh) {
		return status(swSecurity)
	}
	op := k.operation(t)
	if op == nil {
		return status(swWrongData)
	}
	if !c.allowTouch(ctx, k.touch) {
		return status(swSecurity) // what a YubiKey says when nobody touches it
	}
	out, err := op()
	if err != nil {
		return status(swWrongData)
	}
	return template(tagResponse, out)
}

// allowPIN says whether what was verified is enough.
func (c *Card) allowPIN(p PINPolicy, fresh bool) bool {
	switch p {
	case PINNever:
		return true
	case PINOnce:
		return c.ses.pin
	}
	return c.ses.pin && fresh
}

// operation looks the data over before anybody is asked for a touch. It is
// nil if the key cannot do what is asked.
func (k *key) operation(t tlvs) func() ([]byte, error) {
	data, agree := t[tagChallenge], t.has(tagExponentiation)
	if agree {
		data = t[tagExponentiation]
	}
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		if m := new(big.Int).SetBytes(data); !agree && len(data) == private.Size() && m.Cmp(private.N) < 0 {
			return func() ([]byte, error) { return rawRSA(private, m), nil }
		}
	case *ecdsa.PrivateKey:
		if agree {
			return agreement(private, data)
		}
		if len(data) > 0 && len(data) <= (private.Curve.Params().BitSize+7)/8 {
			return func() ([]byte, error) { return private.Sign(rand.Reader, data, nil) }
		}
	case ed25519.PrivateKey:
		if !agree && t.has(tagChallenge) {
			return func() ([]byte, error) { return private.Sign(rand.Reader, data, crypto.Hash(0)) }
		}
	case *ecdh.PrivateKey:
		if agree {
			return agreementECDH(private, data)
		}
	}
	return nil
}

func agreement(k *ecdsa.PrivateKey, point []byte) func() ([]byte, error) {
	private, err := k.ECDH()
	if err != nil {
		return nil
	}
	return agreementECDH(private, point)
}

func agreementECDH(private *ecdh.PrivateKey, point []byte) func() ([]byte, error) {
	peer, err := private.Curve().NewPublicKey(point)
	if err != nil {
		return nil
	}
	return func() ([]byte, error) { return private.ECDH(peer) }
}

// rawRSA is m^d mod n by the Chinese remainder theorem (RFC 8017, Section
// 5.1.2); the padding is the host's business.
func rawRSA(k *rsa.PrivateKey, m *big.Int) []byte {
	p, q := k.Primes[0], k.Primes[1]
	m1 := new(big.Int).Exp(m, k.Precomputed.Dp, p)
	m2 := new(big.Int).Exp(m, k.Precomputed.Dq, q)
	h := new(big.Int).Sub(m1, m2)
	h.Mul(h, k.Precomputed.Qinv).Mod(h, p)
	return h.Mul(h, q).Add(h, m2).FillBytes(make([]byte, k.Size()))
}
