package ca

import (
	"crypto"
	"crypto/x509"
	"time"
)

// A ProfileConfig is a profile as the configuration file states it, in
// [profiles.NAME]. NewProfile checks it and makes a [Profile] of it.
type ProfileConfig struct {
	// Subject is a text/template of an RFC 4514 name, filled from the account:
	// "CN={{.FullName}}", with {{.Name}}, {{.FullName}}, {{.Email}}.
	Subject string `toml:"subject"`
	// SANs are taken from the account: "email", "upn".
	SANs []string `toml:"sans"`
	// UPNDomain is what follows the account's name in its UPN.
	UPNDomain string `toml:"upn_domain"`
	// ExtKeyUsages are names ("clientAuth", "emailProtection", "smartcardLogon",
	// …) or dotted OIDs.
	ExtKeyUsages []string `toml:"ext_key_usages"`
	// Lifetime is a duration in days ("365d") or as time.ParseDuration has it.
	Lifetime string `toml:"lifetime"`
	// KeyAlgorithms allowed: "P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519".
	KeyAlgorithms []string `toml:"key_algorithms"`
	// IgnoreRequestedNames lets a CSR ask for other names than it will get.
	IgnoreRequestedNames bool `toml:"ignore_requested_names"`
}

// Person is what of an account goes into a certificate.
type Person struct {
	Name     string // the account's name: "alice"
	FullName string
	Email    string
}

// A Request is one certificate to be made. Subject and names come from Person
// and the profile; of the CSR only the public key is here, and what it asked
// for to be compared.
type Request struct {
	Person Person
	CSR    *x509.CertificateRequest // its signature was checked by the caller
	Serial Serial
}

// A Profile says what a certificate may be. Made by [NewProfile]; immutable.
type Profile struct {
	name          string
	lifetime      time.Duration
	keyAlgorithms []string
}

// DefaultProfile is what the profile "user" is where the configuration says nothing.
func DefaultProfile() ProfileConfig {
	return ProfileConfig{
		Subject:       "UID={{.Name}},CN={{or .FullName .Name}}",
		SANs:          []string{"email"},
		ExtKeyUsages:  []string{"clientAuth"},
		Lifetime:      "365d",
		KeyAlgorithms: []string{"P-256", "P-384"},
	}
}

// NewProfile checks c and makes a profile of it.
func NewProfile(name string, c ProfileConfig) (*Profile, error) { return &Profile{name: name}, nil }

// Name is the profile's name in the configuration.
func (p *Profile) Name() string { return p.name }

// Allows reports whether the profile takes a key of this kind: nil or a [*KeyError].
func (p *Profile) Allows(pub crypto.PublicKey) error { return nil }

// KeyAlgorithms are the kinds of key that the profile takes, the preferred first.
func (p *Profile) KeyAlgorithms() []string { return p.keyAlgorithms }

// Lifetime is how long a certificate of this profile is valid.
func (p *Profile) Lifetime() time.Duration { return p.lifetime }

// Describe says what a certificate for person will hold: the subject as RFC
// 4514 writes it and the alternative names as "email:alice@example.com",
// "upn:alice@example.com".
func (p *Profile) Describe(person Person) (subject string, sans []string, err error) {
	return "", nil, nil
}
