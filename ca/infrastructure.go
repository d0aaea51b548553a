package ca

import (
	"context"
	"crypto"
	"errors"
	"time"
)

// IssueResponder makes the certificate of a delegated OCSP responder (RFC 6960,
// Section 4.2.2.2) for pub.
func (i *Issuer) IssueResponder(ctx context.Context, serial Serial, pub crypto.PublicKey, lifetime time.Duration, now time.Time) (*Certificate, error) {
	return nil, errors.New("issuing: in the making")
}

// IssueServer makes a TLS server certificate for pub that holds for hosts: DNS
// names and IP addresses.
func (i *Issuer) IssueServer(ctx context.Context, serial Serial, pub crypto.PublicKey, hosts []string, urls URLs, lifetime time.Duration, now time.Time) (*Certificate, error) {
	return nil, errors.New("issuing: in the making")
}
