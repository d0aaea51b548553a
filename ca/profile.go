package ca

import "crypto/x509"

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
