package ca

import "crypto"

// A KeyError says which rule refused a public key.
type KeyError struct {
	Rule   string // "key.size", "key.roca", …
	Reason string // for people
}

func (e *KeyError) Error() string { return e.Reason }

// CheckPublicKey refuses weak keys.
func CheckPublicKey(pub crypto.PublicKey) error { return KeyPolicy{}.CheckPublicKey(pub) }

// KeyAlgorithm names a key's algorithm and size as a profile does: "P-256",
// "RSA-3072", "Ed25519"; "" for a kind that Signet doesn't know.
func KeyAlgorithm(pub crypto.PublicKey) string { return "" }

// A KeyPolicy says which public keys may be certified. The zero value refuses
// those that are weak in themselves.
type KeyPolicy struct {
	// Blocked, where given, reports whether the key with this SHA-256 of its
	// SubjectPublicKeyInfo is known to be compromised.
	Blocked func(keyID [32]byte) bool
}

// CheckPublicKey refuses weak keys with a [*KeyError].
func (p KeyPolicy) CheckPublicKey(pub crypto.PublicKey) error { return nil }
