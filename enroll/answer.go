package enroll

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"signet/ca"
)

// An Offer is what the server would certify for who is asking, and on which
// terms: the answer of GET /api/v1/profiles/{name}.
type Offer struct {
	Profile string   `json:"profile"`
	Account string   `json:"account"`
	Subject string   `json:"subject"` // RFC 4514
	SANs    []string `json:"sans"`    // "email:alice@example.com", "upn:…"
	// Nonce goes into the CSR; it is good once, until NonceExpires.
	Nonce           Nonce     `json:"nonce"`
	NonceExpires    time.Time `json:"nonce_expires"`
	Plan            Plan      `json:"plan"`
	LifetimeSeconds int64     `json:"lifetime_seconds"`
	Issuer          string    `json:"issuer"` // the ID of the issuer that would sign
	// EscrowKey seals the card's PUK, by [ParseEscrowPublic]; nil where the plan
	// doesn't have it kept.
	EscrowKey []byte `json:"escrow_key,omitempty"`
	// With are the profile's companions: what is certified together with it, in the
	// configuration's order, all of it or nothing. One nonce is for all CSRs.
	With []Companion `json:"with,omitempty"`
}

// A Companion is what the server would certify together with an offer's own, by
// another profile, for a key in another slot of the same card.
type Companion struct {
	Profile         string   `json:"profile"`
	Subject         string   `json:"subject"`
	SANs            []string `json:"sans"`
	Plan            Plan     `json:"plan"`
	LifetimeSeconds int64    `json:"lifetime_seconds"`
}

// An Issued is a certificate as its holder receives it: the answer of
// POST /api/v1/certificates.
type Issued struct {
	Serial      ca.Serial `json:"serial"`
	Issuer      string    `json:"issuer"`
	Certificate string    `json:"certificate"` // PEM
	Chain       []string  `json:"chain"`       // PEM, the issuer's first, without the root
	Root        string    `json:"root"`        // PEM
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	// CardSerial is the serial number of the card that the key was proved to be
	// in; 0 without that proof.
	CardSerial uint32 `json:"card_serial,omitempty"`
	// Profile is the name of the one that it was issued by.
	Profile string `json:"profile,omitempty"`
	// With are the certificates issued together with this one, in the order of
	// their CSRs.
	With []Issued `json:"with,omitempty"`
}

// X509 is the certificate, parsed.
func (i *Issued) X509() (*x509.Certificate, error) { return parsePEM(i.Certificate) }

// ChainX509 is the chain above the certificate without the root, parsed.
func (i *Issued) ChainX509() ([]*x509.Certificate, error) {
	out := make([]*x509.Certificate, 0, len(i.Chain))
	for _, text := range i.Chain {
		cert, err := parsePEM(text)
		if err != nil {
			return nil, err
		}
		out = append(out, cert)
	}
	return out, nil
}

// RootX509 is the root, parsed. It is what the server says; whether it is
// trusted was decided before.
func (i *Issued) RootX509() (*x509.Certificate, error) { return parsePEM(i.Root) }

// Status is where a certificate stands.
type Status string

// The statuses. One that is revoked and has expired is revoked.
const (
	StatusGood    Status = "good"
	StatusHeld    Status = "held"
	StatusRevoked Status = "revoked"
	StatusExpired Status = "expired"
)

// A Record is a certificate as its holder may look it up.
type Record struct {
	Serial      ca.Serial      `json:"serial"`
	Issuer      string         `json:"issuer"`
	Profile     string         `json:"profile"`
	Subject     string         `json:"subject"`
	Status      Status         `json:"status"`
	NotBefore   time.Time      `json:"not_before"`
	NotAfter    time.Time      `json:"not_after"`
	IssuedAt    time.Time      `json:"issued_at"`
	CardSerial  uint32         `json:"card_serial,omitempty"`
	Slot        string         `json:"slot,omitempty"`
	Revocation  *ca.Revocation `json:"revocation,omitempty"`
	Certificate string         `json:"certificate"` // PEM
}

// X509 is the certificate, parsed.
func (r *Record) X509() (*x509.Certificate, error) { return parsePEM(r.Certificate) }

// A Ticket is a code that renews a certificate with a new key.
type Ticket struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
	Profile string    `json:"profile"`
}

// The bodies of requests.
type (
	renewal struct {
		Serial string `json:"serial,omitempty"`
	}
	withdrawal struct {
		Reason string `json:"reason"`
	}
	recordList struct {
		Certificates []Record `json:"certificates"`
	}
)

// recordOf is the holder's view of c at now.
func recordOf(c *ca.Certificate, now time.Time) Record {
	r := Record{
		Serial: c.Serial, Issuer: c.Issuer, Profile: c.Profile, Subject: c.Subject,
		Status: statusOf(c, now), NotBefore: c.NotBefore, NotAfter: c.NotAfter, IssuedAt: c.IssuedAt,
		Revocation: c.Revocation, Certificate: encodePEM(c.DER),
	}
	if c.Card != nil {
		r.CardSerial, r.Slot = c.Card.Serial, c.Card.Slot
	}
	return r
}

func statusOf(c *ca.Certificate, now time.Time) Status {
	switch {
	case c.Revocation != nil && c.Revocation.Reason == ca.CertificateHold:
		return StatusHeld
	case c.Revocation != nil:
		return StatusRevoked
	case now.After(c.NotAfter):
		return StatusExpired
	}
	return StatusGood
}

func encodePEM(der []byte) string {
	var b strings.Builder
	b.Grow(len(der)*3/2 + 64) // base64 with its line breaks, and the two lines round it
	// A Builder takes all that it is given.
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	return b.String()
}

func parsePEM(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}
