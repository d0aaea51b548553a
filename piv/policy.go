package piv

import "fmt"

// An Algorithm is a key's kind, by the name that profiles use.
type Algorithm string

// The algorithms of a YubiKey's PIV application. From firmware 5.7 on it has
// RSA-3072, RSA-4096 and Ed25519 too.
const (
	RSA2048 Algorithm = "RSA-2048"
	RSA3072 Algorithm = "RSA-3072"
	RSA4096 Algorithm = "RSA-4096"
	P256    Algorithm = "P-256"
	P384    Algorithm = "P-384"
	Ed25519 Algorithm = "Ed25519"
)

// A PINPolicy is when a key wants the PIN; the values are the card's.
type PINPolicy byte

// A TouchPolicy is when a key wants a touch; the values are the card's.
type TouchPolicy byte

// The policies, as in extension 1.3.6.1.4.1.41482.3.8.
const (
	PINNever  PINPolicy = 1
	PINOnce   PINPolicy = 2
	PINAlways PINPolicy = 3

	TouchNever  TouchPolicy = 1
	TouchAlways TouchPolicy = 2
	TouchCached TouchPolicy = 3
)

func (p PINPolicy) String() string {
	switch p {
	case PINNever:
		return "never"
	case PINOnce:
		return "once"
	case PINAlways:
		return "always"
	}
	return fmt.Sprintf("pin-policy(%d)", byte(p))
}

func (p TouchPolicy) String() string {
	switch p {
	case TouchNever:
		return "never"
	case TouchAlways:
		return "always"
	case TouchCached:
		return "cached"
	}
	return fmt.Sprintf("touch-policy(%d)", byte(p))
}

// ParsePINPolicy reads "never", "once" or "always".
func ParsePINPolicy(s string) (PINPolicy, error) {
	for _, p := range []PINPolicy{PINNever, PINOnce, PINAlways} {
		if p.String() == s {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%q is no PIN policy: never, once or always", s)
}

// ParseTouchPolicy reads "never", "always" or "cached".
func ParseTouchPolicy(s string) (TouchPolicy, error) {
	for _, p := range []TouchPolicy{TouchNever, TouchAlways, TouchCached} {
		if p.String() == s {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%q is no touch policy: never, always or cached", s)
}

// A Version is a firmware's version.
type Version [3]byte

// String is "5.7.1".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Less reports whether v is older than w.
func (v Version) Less(w Version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// ParseVersion reads "5.7.1".
func ParseVersion(s string) (v Version, err error) {
	if n, err := fmt.Sscanf(s, "%d.%d.%d", &v[0], &v[1], &v[2]); err != nil || n != 3 || v.String() != s {
		return Version{}, fmt.Errorf("%q is no firmware version: want three numbers like 5.4.3", s)
	}
	return v, nil
}

// MarshalText is String; UnmarshalText is ParseVersion.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Version) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersion(string(text))
	return err
}
