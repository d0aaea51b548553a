package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/certfile"
	"signet/revocation"
)

// check looks at every setting and reports all that are wrong, not just the
// first. It fills in what the settings stand for: profiles, attestation roots.
func (c *Config) check() error {
	errs := slices.Concat(c.checkAddresses(), c.checkTLS(), c.checkTimes(), []error{c.Log.Check()},
		c.checkAttestation(), c.checkProfiles())
	for setting, path := range map[string]string{
		"store": c.Store, "root.certificate": c.Root.Certificate, "root.crl": c.Root.CRL,
		"intermediate.certificate": c.Intermediate.Certificate, "intermediate.key": c.Intermediate.Key,
	} {
		if path == "" {
			errs = append(errs, fmt.Errorf("%s is empty", setting))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkAddresses() (errs []error) {
	for setting, address := range map[string]string{"listen.https": c.Listen.HTTPS, "listen.http": c.Listen.HTTP} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no address: \":8443\" or \"192.0.2.1:8443\"", setting, address))
		}
	}
	return append(errs, checkURL("urls.https", c.URLs.HTTPS, "https"), checkURL("urls.http", c.URLs.HTTP, "http"))
}

// checkURL wants scheme, host and perhaps a port: paths are appended to it.
func checkURL(setting, s, scheme string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != scheme || u.Hostname() == "" || u.User != nil || u.String() != scheme+"://"+u.Host {
		return fmt.Errorf("%s: %q is no address of the form %s://ca.example:8443, without a path", setting, s, scheme)
	}
	return nil
}

func (c *Config) checkTLS() (errs []error) {
	if len(c.TLS.Hosts) == 0 && c.TLS.Certificate == "" {
		errs = append(errs, errors.New("tls.hosts: the server's certificate needs at least one name"))
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		errs = append(errs, errors.New("tls.certificate and tls.key come together"))
	}
	for _, h := range c.TLS.Hosts {
		if err := checkHost(h); err != nil {
			errs = append(errs, fmt.Errorf("tls.hosts: %w", err))
		}
	}
	return errs
}

func checkHost(h string) error {
	u, err := url.Parse("https://" + h)
	if net.ParseIP(h) == nil && (err != nil || h == "" || u.Hostname() != h || len(h) > 253) {
		return fmt.Errorf("%q is neither a host's name nor an address", h)
	}
	return nil
}

func (c *Config) checkTimes() (errs []error) {
	between := func(setting string, d duration, low, high time.Duration) {
		if v := time.Duration(d); v < low || v > high {
			errs = append(errs, fmt.Errorf("%s is %s: it must be from %s to %s", setting, d, low, high))
		}
	}
	between("tls.lifetime", c.TLS.Lifetime, time.Hour, 825*day)
	between("crl.lifetime", c.CRL.Lifetime, time.Minute, 366*day)
	between("ocsp.lifetime", c.OCSP.Lifetime, time.Minute, 30*day)
	between("ocsp.signer_lifetime", c.OCSP.SignerLifetime, time.Hour, 366*day)
	if c.CRL.Overlap >= c.CRL.Lifetime {
		errs = append(errs, fmt.Errorf("crl.overlap is %s: it must be shorter than crl.lifetime, %s", c.CRL.Overlap, c.CRL.Lifetime))
	}
	if n := c.CRL.Partitions; n < 0 || n > revocation.MaxPartitions {
		errs = append(errs, fmt.Errorf("crl.partitions is %d: it must be from 0 to %d", n, revocation.MaxPartitions))
	}
	return errs
}

func (c *Config) checkAttestation() (errs []error) {
	c.attestationRoots = nil
	for _, name := range c.Attestation.Roots {
		certs, err := certfile.Read(c.path(name))
		if err != nil {
			errs = append(errs, fmt.Errorf("attestation.roots: %w", err))
		}
		c.attestationRoots = append(c.attestationRoots, certs...)
	}
	return errs
}

func (c *Config) checkProfiles() (errs []error) {
	if c.Profiles == nil {
		c.Profiles = map[string]ProfileConfig{"user": {ProfileConfig: ca.DefaultProfile()}}
	}
	c.profiles = make(map[string]*enroll.Profile, len(c.Profiles))
	for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
		p, err := ca.NewProfile(name, c.Profiles[name].ProfileConfig)
		if err != nil {
			errs = append(errs, fmt.Errorf("profiles.%s: %w", name, err))
			continue
		}
		if c.profiles[name], err = enroll.NewProfile(p, c.keyPlan(name), c.Profiles[name].With...); err != nil {
			errs = append(errs, fmt.Errorf("profiles.%s: %w", name, err))
		}
	}
	if len(errs) == 0 {
		if err := enroll.CheckSets(c.profiles); err != nil {
			errs = append(errs, err)
		}
	}
	if name := c.Cards.TemporaryProfile; name != "" && name != defaultTemporary && len(errs) == 0 && c.profiles[name] == nil {
		errs = append(errs, fmt.Errorf("cards.temporary_profile: there is no [profiles.%s]", name))
	}
	if name := c.Cards.TemporaryProfile; len(errs) == 0 && c.profiles[name] != nil {
		for _, main := range slices.Sorted(maps.Keys(c.profiles)) {
			if slices.Contains(c.profiles[main].With, name) {
				errs = append(errs, fmt.Errorf("cards.temporary_profile: [profiles.%s] is a companion of [profiles.%s], and of no use alone: name one that isn't", name, main))
			}
		}
	}
	if len(c.Profiles) == 0 {
		errs = append(errs, errors.New("profiles: there must be at least one"))
	}
	return errs
}

// keyPlan is a profile's, the paths of its files made right.
func (c *Config) keyPlan(profile string) enroll.PlanConfig {
	plan := c.Profiles[profile].Key
	plan.CardSerialsFile, plan.DeniedSerialsFile = c.path(plan.CardSerialsFile), c.path(plan.DeniedSerialsFile)
	return plan
}

// readCertificate reads the first certificate of a PEM file.
func readCertificate(path string) (*x509.Certificate, error) {
	certs, err := certfile.Read(path)
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}
