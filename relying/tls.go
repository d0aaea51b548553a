package relying

import (
	"context"
	"crypto/tls"
)

// TLSConfig is base (nil for an empty one) with client certificates that are
// required and checked in every handshake, the short ones that resume a session
// too: whose certificate doesn't do gets no connection. Connections that last are
// not looked at again: for HTTP, put [Checker.Handler] behind it.
func (c *Checker) TLSConfig(base *tls.Config) *tls.Config {
	return c.wrap(base, tls.RequireAnyClientCert, func(state tls.ConnectionState) error {
		_, err := c.Check(context.Background(), state.PeerCertificates) // OCSP has its timeout
		return err
	})
}

// AskingTLSConfig is base (nil for an empty one) with client certificates that are
// asked for and let through, whatever they are, or none: [Checker.Handler] judges them
// at each request and answers with a page that explains, which a failed handshake
// can't. Without that handler, it lets everybody in.
func (c *Checker) AskingTLSConfig(base *tls.Config) *tls.Config {
	return c.wrap(base, tls.RequestClientCert, func(tls.ConnectionState) error { return nil })
}

// wrap: Go verifies nothing of certificates that are only requested or required;
// VerifyConnection is called in full and in resumed handshakes, where
// VerifyPeerCertificate is not.
func (c *Checker) wrap(base *tls.Config, auth tls.ClientAuthType, verify func(tls.ConnectionState) error) *tls.Config {
	if base == nil {
		base = new(tls.Config)
	}
	out := base.Clone()
	out.ClientAuth, out.ClientCAs = auth, c.trust.all
	if out.MinVersion < tls.VersionTLS12 {
		out.MinVersion = tls.VersionTLS12
	}
	before := base.VerifyConnection
	out.VerifyConnection = func(state tls.ConnectionState) error {
		if err := verify(state); err != nil || before == nil {
			return err
		}
		return before(state)
	}
	if base.GetConfigForClient != nil {
		// What it returns replaces this configuration, and would undo all of it.
		out.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			other, err := base.GetConfigForClient(hello)
			if other == nil || err != nil {
				return other, err
			}
			return c.wrap(other, auth, verify), nil
		}
	}
	return out
}
