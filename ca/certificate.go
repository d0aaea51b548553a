package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"time"
)

// A Certificate is an issued certificate as the store keeps it, with what was
// known when it was issued and what has become of it.
type Certificate struct {
	// Issuer is the ID of the issuer that signed it; with Serial it is the key.
	Issuer string `json:"issuer"`
	Serial Serial `json:"serial"`
	// DER is the certificate itself.
	DER []byte `json:"der"`
	// Account is whom it was issued to; "" for the CA's own certificates (the
	// intermediate, OCSP signer, TLS server).
	Account string `json:"account,omitempty"`
	Profile string `json:"profile"`
	Subject string `json:"subject"` // RFC 4514, for listings
	// KeyID is the SHA-256 of the public key's SubjectPublicKeyInfo.
	KeyID     [32]byte  `json:"key_id"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	IssuedAt  time.Time `json:"issued_at"`
	// Partition is the number of the CRL partition that the certificate names as its
	// distribution point; 0 where that is the complete CRL.
	Partition int `json:"partition,omitempty"`
	// Card is what the attestation proved of the key's card; nil without one.
	Card *Card `json:"card,omitempty"`
	// Revocation is nil while the certificate stands. A certificate on hold has
	// one with reason certificateHold.
	Revocation *Revocation `json:"revocation,omitempty"`
}

// A Card is the hardware that a key was proved to be in.
type Card struct {
	Serial      uint32 `json:"serial"`
	Firmware    string `json:"firmware"`     // "5.7.1"
	Slot        string `json:"slot"`         // "9a"
	PINPolicy   string `json:"pin_policy"`   // "once"
	TouchPolicy string `json:"touch_policy"` // "never"
	FormFactor  string `json:"form_factor,omitempty"`
	FIPS        bool   `json:"fips,omitempty"`
	CSPN        bool   `json:"cspn,omitempty"`
	// Root is the subject of the root that vouches for the card; "" where that was
	// not recorded.
	Root string `json:"root,omitempty"`
	// Attestation is the evidence: the slot's certificate, then the card's, DER.
	Attestation [][]byte `json:"attestation,omitempty"`
}

// Revoked reports whether the certificate is revoked or on hold.
func (c *Certificate) Revoked() bool { return c.Revocation != nil }

// X509 parses DER.
func (c *Certificate) X509() (*x509.Certificate, error) { return x509.ParseCertificate(c.DER) }

// KeyIDOf is the SHA-256 of spki, the DER of a SubjectPublicKeyInfo.
func KeyIDOf(spki []byte) [32]byte { return sha256.Sum256(spki) }
