package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/internal/atomicfile"
	"signet/internal/certfile"
)

// A serverCertificate is the TLS certificate of the HTTPS listener. Issued by
// this CA, it renews itself when a third of its lifetime is left; from
// another CA, it is read again at each reload.
type serverCertificate struct {
	parts
	key crypto.Signer // of the one that this CA issues

	inUse atomic.Pointer[tls.Certificate]

	mu   sync.Mutex // held while loading or renewing; owns conf
	conf *Config
}

// tlsConfig asks for a client certificate without requiring one: whether the
// one presented is good is for package enroll to say, in words.
func (c *serverCertificate) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.inUse.Load(), nil
		},
	}
}

// load puts the certificate that conf wants into use: that of another CA from
// its files, or this CA's own from its file, or a new one where that will not do.
func (c *serverCertificate) load(ctx context.Context, conf *Config) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conf.TLS.Certificate != "" {
		cert, err := tls.LoadX509KeyPair(conf.path(conf.TLS.Certificate), conf.path(conf.TLS.Key))
		if err != nil {
			return fmt.Errorf("tls.certificate: %w", err)
		}
		c.inUse.Store(&cert)
		c.conf = conf
		return nil
	}
	if c.key == nil {
		return errors.New("tls: to change over to a certificate of this CA takes a restart")
	}
	if cert := c.fromFile(ctx, conf); cert != nil {
		c.inUse.Store(cert)
		c.conf = conf
		return nil
	}
	if err := c.renew(ctx, conf); err != nil {
		return err
	}
	c.conf = conf
	return nil
}

// fromFile is the certificate in the data folder, if it will do.
func (c *serverCertificate) fromFile(ctx context.Context, conf *Config) *tls.Certificate {
	chain, err := certfile.Read(conf.path(serverCert))
	if err != nil {
		return nil
	}
	leaf := chain[0]
	pub, ok := c.key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(leaf.PublicKey) || leaf.CheckSignatureFrom(c.issuer.Certificate()) != nil ||
		untilRenewal(leaf) <= 0 || !holdsFor(leaf, conf.TLS.Hosts) || !c.stands(ctx, leaf) {
		return nil
	}
	return c.pair(leaf)
}

// pair is what a handshake needs: the certificate with what is above it.
func (c *serverCertificate) pair(leaf *x509.Certificate) *tls.Certificate {
	out := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: c.key, Leaf: leaf}
	for _, above := range c.issuer.Chain() {
		out.Certificate = append(out.Certificate, above.Raw)
	}
	return out
}

// holdsFor reports whether cert is for exactly those hosts.
func holdsFor(cert *x509.Certificate, hosts []string) bool {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	for _, h := range hosts {
		if cert.VerifyHostname(h) != nil {
			return false
		}
	}
	return len(names) == len(hosts)
}

// renew issues a new certificate. The caller holds mu.
func (c *serverCertificate) renew(ctx context.Context, conf *Config) error {
	leaf, err := c.own(ctx, "server.issue", func(serial ca.Serial, now time.Time) (*ca.Certificate, error) {
		urls := ca.URLsAt(conf.URLs.HTTP, c.issuer.ID())
		return c.issuer.IssueServer(ctx, serial, c.key.Public(), conf.TLS.Hosts, urls, time.Duration(conf.TLS.Lifetime), now)
	})
	if err != nil {
		return fmt.Errorf("issuing the server's certificate: %w", err)
	}
	c.inUse.Store(c.pair(leaf))
	if err := atomicfile.Write(conf.path(serverCert), encodeChain(leaf, c.issuer.Chain()), 0o644); err != nil {
		c.logger.Error("the server's new certificate is in use, but not on disk", "error", err)
	}
	c.logger.Info("the server's certificate is renewed", "hosts", conf.TLS.Hosts, "not_after", leaf.NotAfter)
	return nil
}

// untilRenewal is until a third of the certificate's time is left.
func untilRenewal(cert *x509.Certificate) time.Duration {
	return time.Until(cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore) / 3))
}

const (
	lookEvery  = time.Hour   // a machine that slept has missed its timer
	retryEvery = time.Minute // after a renewal that failed
)

// run renews the certificate before it ends, until ctx ends.
func (c *serverCertificate) run(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = c.tend(ctx)
	}
}

// tend renews the certificate if it is time, and returns when to look again.
func (c *serverCertificate) tend(ctx context.Context) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conf.TLS.Certificate != "" {
		return lookEvery
	}
	if left := untilRenewal(c.inUse.Load().Leaf); left > 0 {
		return min(left, lookEvery)
	}
	if err := c.renew(ctx, c.conf); err != nil && ctx.Err() == nil {
		c.logger.Error("the server's certificate can't be renewed; trying again", "error", err, "in", retryEvery)
		return retryEvery
	}
	return min(untilRenewal(c.inUse.Load().Leaf), lookEvery)
}
