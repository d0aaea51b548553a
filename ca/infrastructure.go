package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// The profiles of the certificates that the CA makes for itself, as
// [Certificate.Profile] has them. No profile of the configuration can be called
// so: their names have no '@'.
const (
	ResponderProfile    = "@ocsp"
	ServerProfile       = "@server"
	RootProfile         = "@root"
	IntermediateProfile = "@intermediate"
)

// oidNoCheck is id-pkix-ocsp-nocheck.
var oidNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

// IssueResponder makes the certificate of a delegated OCSP responder for pub
// (RFC 6960, Section 4.2.2.2). Nobody can ask whether it is revoked, so it
// should live for days, not years.
func (i *Issuer) IssueResponder(ctx context.Context, serial Serial, pub crypto.PublicKey, lifetime time.Duration, now time.Time) (*Certificate, error) {
	t, err := i.infrastructureTerms(ResponderProfile, serial, pub, lifetime, "OCSP responder "+i.id)
	if err != nil {
		return nil, err
	}
	t.usages = []asn1.ObjectIdentifier{oidOCSPSigning}
	// RFC 6960, Section 4.2.2.2.1: the value is NULL, and it is not critical.
	t.extensions = []pkix.Extension{{Id: oidNoCheck, Value: asn1.NullBytes}}
	return i.issue(ctx, t, now)
}

// IssueServer makes a TLS server certificate for pub that holds for hosts: DNS
// names and IP addresses, one at least.
func (i *Issuer) IssueServer(ctx context.Context, serial Serial, pub crypto.PublicKey, hosts []string, urls URLs, lifetime time.Duration, now time.Time) (*Certificate, error) {
	if len(hosts) == 0 {
		return nil, errors.New("a server certificate needs a host")
	}
	if err := urls.check(true); err != nil {
		return nil, err
	}
	t, err := i.infrastructureTerms(ServerProfile, serial, pub, lifetime, serverName(hosts[0]))
	if err != nil {
		return nil, err
	}
	for _, h := range hosts {
		n, err := hostName(h)
		if err != nil {
			return nil, err
		}
		t.sans = append(t.sans, n)
	}
	t.usages, t.urls = []asn1.ObjectIdentifier{oidServerAuth}, urls
	return i.issue(ctx, t, now)
}

// serverName is what people see as the subject. Clients go by the alternative
// names alone (RFC 9525, Section 1.2), so a host too long for a CN loses nothing.
func serverName(host string) string {
	if utf8.RuneCountInString(host) > attributeTypeOf("CN").max {
		return "Signet server"
	}
	return host
}

// infrastructureTerms are what these certificates share: a subject of a common
// name alone, and a key that signs, nothing else.
func (i *Issuer) infrastructureTerms(profile string, serial Serial, pub crypto.PublicKey, lifetime time.Duration, commonName string) (terms, error) {
	if err := CheckPublicKey(pub); err != nil {
		return terms{}, err
	}
	t := terms{profile: profile, serial: serial, lifetime: lifetime, keyUsage: x509.KeyUsageDigitalSignature}
	if err := t.setKey(pub); err != nil {
		return terms{}, err
	}
	return t, t.setSubject(name{{{attributeTypeOf("CN"), commonName}}})
}

func (t *terms) setKey(pub crypto.PublicKey) (err error) {
	t.pub = pub
	if t.spki, err = x509.MarshalPKIXPublicKey(pub); err != nil {
		return fmt.Errorf("encoding a public key: %w", err)
	}
	return nil
}

func (t *terms) setSubject(n name) (err error) {
	if t.subject, err = n.marshal(); err != nil {
		return err
	}
	t.subjectText, err = nameString(t.subject)
	return err
}
