package ca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"testing"

	"signet/ca"
	"signet/ca/catest"
)

func TestGoodKeys(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		key, err := ca.GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		if err := ca.CheckPublicKey(key.Public()); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if got := ca.KeyAlgorithm(key.Public()); got != algorithm {
			t.Errorf("KeyAlgorithm: %s, want %s", got, algorithm)
		}
	}
	for _, key := range publicKeys(t, "../testdata/roca/not-roca.pem") {
		if err := ca.CheckPublicKey(key); err != nil {
			t.Error(err)
		}
	}
}

func TestWeakKeys(t *testing.T) {
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  crypto.PublicKey
		rule string
	}{
		"RSA-1024":      {&short.PublicKey, "key.size"},
		"RSA odd size":  {&rsa.PublicKey{N: new(big.Int).Lsh(good.N, 5), E: 65537}, "key.size"},
		"RSA e=3":       {&rsa.PublicKey{N: good.N, E: 3}, "key.exponent"},
		"RSA e even":    {&rsa.PublicKey{N: good.N, E: 65538}, "key.exponent"},
		"RSA e=1":       {&rsa.PublicKey{N: good.N, E: 1}, "key.exponent"},
		"RSA even":      {&rsa.PublicKey{N: new(big.Int).Sub(good.N, big.NewInt(1)), E: 65537}, "key.factors"},
		"RSA close":     {&rsa.PublicKey{N: closeFactors(t), E: 65537}, "key.factors"},
		"P-224":         {&p224.PublicKey, "key.curve"},
		"off the curve": {&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, "key.point"},
		"Ed25519 zero":  {ed25519.PublicKey(make([]byte, 32)), "key.point"},
		"Ed25519 short": {ed25519.PublicKey(make([]byte, 31)), "key.point"},
		"Ed25519 not canonical": { // y = p + 3, which is on the curve, as 3 is
			ed25519.PublicKey(unhex(t, "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")), "key.point"},
		"no key": {nil, "key.algorithm"},
	} {
		var refused *ca.KeyError
		if err := ca.CheckPublicKey(test.key); !errors.As(err, &refused) || refused.Rule != test.rule {
			t.Errorf("%s: %v; want %s", name, err, test.rule)
		}
	}
	for _, key := range publicKeys(t, "../testdata/roca/roca.pem") {
		var refused *ca.KeyError
		if err := ca.CheckPublicKey(key); !errors.As(err, &refused) || refused.Rule != "key.roca" {
			t.Errorf("ROCA: %v", err)
		}
	}
}

func TestBlockedKey(t *testing.T) {
	key := catest.Key(t)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	policy := ca.KeyPolicy{Blocked: func(id [32]byte) bool { return id == ca.KeyIDOf(spki) }}
	var refused *ca.KeyError
	if err := policy.CheckPublicKey(key.Public()); !errors.As(err, &refused) || refused.Rule != "key.blocked" {
		t.Errorf("blocked key: %v", err)
	}
	if err := policy.CheckPublicKey(catest.Key(t).Public()); err != nil {
		t.Errorf("another key: %v", err)
	}
}

// closeFactors is a modulus of 2048 bits whose factors are neighbours, as the
// generator of CVE-2022-26320 made them.
func closeFactors(t *testing.T) *big.Int {
	t.Helper()
	p, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	q := new(big.Int).Add(p, big.NewInt(2))
	for !q.ProbablyPrime(20) {
		q.Add(q, big.NewInt(2))
	}
	return p.Mul(p, q)
}

func publicKeys(t *testing.T, path string) (keys []crypto.PublicKey) {
	t.Helper()
	rest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		t.Fatalf("%s has no keys", path)
	}
	return keys
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func spki(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}
