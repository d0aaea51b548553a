package ca

import (
	"crypto"
	"crypto/x509"
	"errors"
	"time"
)

// SetupConfig is what a new hierarchy shall be.
type SetupConfig struct {
	Name string // the organisation's; in both subjects
	// Algorithms as a profile names them; "" is P-384 for the root and P-256
	// for the intermediate.
	RootAlgorithm, IntermediateAlgorithm string
	// Lifetimes; 0 is 20 years for the root and 10 for the intermediate.
	RootLifetime, IntermediateLifetime time.Duration
	// RootSerial and IntermediateSerial come from a [SerialSource].
	RootSerial, IntermediateSerial Serial
	// URL is the base of the plain HTTP listener, below which the root's CRL
	// and certificate will be found: "http://ca.example:8080".
	URL string
	Now time.Time // the zero value is now
}

// A Hierarchy is a root and an intermediate below it, with their keys.
type Hierarchy struct {
	Root            *x509.Certificate
	RootKey         crypto.Signer
	Intermediate    *x509.Certificate
	IntermediateKey crypto.Signer
}

// NewHierarchy makes the keys and certificates of a new CA.
func NewHierarchy(c SetupConfig) (*Hierarchy, error) { return nil, errors.New("setup: in the making") }

// RootIssuer is the root as an issuer; it signs its CRL and intermediates.
func (h *Hierarchy) RootIssuer() (*Issuer, error) { return NewIssuer(h.Root, nil, h.RootKey) }

// Issuer is the intermediate as an issuer.
func (h *Hierarchy) Issuer() (*Issuer, error) {
	return NewIssuer(h.Intermediate, []*x509.Certificate{h.Root}, h.IntermediateKey)
}

// GenerateKey makes a key of an algorithm that [KeyAlgorithm] names.
func GenerateKey(algorithm string) (crypto.Signer, error) {
	return nil, errors.New("setup: in the making")
}
