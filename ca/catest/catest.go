// Package catest gives tests a certificate authority in a line.
package catest

import (
	"crypto/x509"
	"testing"

	"signet/ca"
)

// A Hierarchy is a root and an intermediate with P-256 keys, made for one test.
type Hierarchy struct {
	*ca.Hierarchy
	RootIssuer *ca.Issuer
	Issuer     *ca.Issuer
	Serials    *ca.SerialSource
	URLs       ca.URLs // for leaves of Issuer
}

// New makes a hierarchy.
func New(t testing.TB) *Hierarchy { t.Helper(); return nil }

// Pool is a pool of the root alone.
func (h *Hierarchy) Pool() *x509.CertPool { return nil }
