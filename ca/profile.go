package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
	// SID puts the account's Windows security identifier into the extension
	// that domain controllers look for (KB5014754).
	SID bool `toml:"sid"`
	// ExtKeyUsages are names ("clientAuth", "emailProtection", "smartcardLogon",
	// …) or dotted OIDs; none is clientAuth.
	ExtKeyUsages []string `toml:"ext_key_usages"`
	// KeyUsages are "digitalSignature", "contentCommitment", and "keyEncipherment" or
	// "keyAgreement": which of these two a certificate gets, its kind of key says. None is
	// digitalSignature, and with emailProtection key establishment too.
	KeyUsages []string `toml:"key_usages"`
	// Lifetime is a duration in days ("365d") or as time.ParseDuration has it.
	Lifetime string `toml:"lifetime"`
	// KeyAlgorithms allowed: "P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519".
	KeyAlgorithms []string `toml:"key_algorithms"`
	// IgnoreRequestedNames lets a CSR ask for other names than it will get.
	IgnoreRequestedNames bool `toml:"ignore_requested_names"`
}

// DefaultProfile is the profile "user" where the configuration says nothing: a
// client certificate for a year, the account's name as UID beside the person's,
// since two people may share theirs but RFC 5280, Section 4.1.2.6 wants a
// subject for each.
func DefaultProfile() ProfileConfig {
	return ProfileConfig{
		Subject:       "UID={{.Name}},CN={{or .FullName .Name}}",
		SANs:          []string{"email"},
		ExtKeyUsages:  []string{"clientAuth"},
		Lifetime:      "365d",
		KeyAlgorithms: []string{"P-256", "P-384"},
	}
}

// Person is what of an account goes into a certificate.
type Person struct {
	Name     string // the account's name: "alice"
	FullName string
	Email    string
	SID      string // in a Windows domain: "S-1-5-21-…"
}

// A Request is one certificate to be made. Subject and names come from Person
// and the profile; of the CSR only the public key is here, and what it asked
// for to be compared.
type Request struct {
	Person Person
	CSR    *x509.CertificateRequest // its signature was checked by the caller
	Serial Serial
	// Until is when the certificate is to end at the latest; zero for the profile's
	// lifetime alone.
	Until time.Time
}

// A Profile says what a certificate may be. Made by [NewProfile]; immutable.
type Profile struct {
	name          string
	subject       subjectTemplate
	sans          []string // "email", "upn"
	upnDomain     string
	sid           bool
	usages        []asn1.ObjectIdentifier
	keyUsages     x509.KeyUsage // 0 for what fits usages
	lifetime      time.Duration
	keyAlgorithms []string
	ignoreNames   bool
}

var (
	profileName   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	allAlgorithms = []string{"P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519"}
)

// NewProfile checks c, whole, and makes a profile of it. What c leaves empty is
// as in [DefaultProfile], but for SANs, where empty means none.
func NewProfile(name string, c ProfileConfig) (*Profile, error) {
	p, err := newProfile(name, withDefaults(c))
	if err != nil {
		return nil, fmt.Errorf("profile %q: %w", name, err)
	}
	return p, nil
}

func withDefaults(c ProfileConfig) ProfileConfig {
	d := DefaultProfile()
	if c.Subject == "" {
		c.Subject = d.Subject
	}
	if c.Lifetime == "" {
		c.Lifetime = d.Lifetime
	}
	if len(c.ExtKeyUsages) == 0 {
		c.ExtKeyUsages = d.ExtKeyUsages
	}
	if len(c.KeyAlgorithms) == 0 {
		c.KeyAlgorithms = d.KeyAlgorithms
	}
	return c
}

func newProfile(name string, c ProfileConfig) (*Profile, error) {
	if !profileName.MatchString(name) {
		return nil, fmt.Errorf("a profile's name has small letters, digits, '.', '_' and '-', 64 at most")
	}
	if err := checkLists(c); err != nil {
		return nil, err
	}
	subject, err := parseSubject(c.Subject)
	if err != nil {
		return nil, err
	}
	usages, err := parseUsages(c.ExtKeyUsages)
	if err != nil {
		return nil, err
	}
	keyUsages, err := parseKeyUsages(c.KeyUsages)
	if err != nil {
		return nil, err
	}
	if err := checkKeyUsages(keyUsages, usages, c.KeyAlgorithms); err != nil {
		return nil, err
	}
	lifetime, err := parseLifetime(c.Lifetime)
	if err != nil {
		return nil, err
	}
	p := &Profile{
		name: name, subject: subject, sans: slices.Clone(c.SANs), upnDomain: c.UPNDomain, sid: c.SID, usages: usages, keyUsages: keyUsages,
		lifetime: lifetime, keyAlgorithms: slices.Clone(c.KeyAlgorithms), ignoreNames: c.IgnoreRequestedNames,
	}
	return p, p.try()
}

func checkLists(c ProfileConfig) error {
	for _, s := range c.SANs {
		if s != "email" && s != "upn" {
			return fmt.Errorf(`%q is no kind of alternative name; "email" and "upn" are`, s)
		}
	}
	if upn := slices.Contains(c.SANs, "upn"); upn != (c.UPNDomain != "") {
		return fmt.Errorf(`upn_domain and "upn" among the SANs go together`)
	}
	for _, a := range c.KeyAlgorithms {
		if !slices.Contains(allAlgorithms, a) {
			return fmt.Errorf("%q is no key algorithm; one of %s", a, strings.Join(allAlgorithms, ", "))
		}
	}
	return nil
}

// try fills the profile in for someone who has everything, so that a template
// that can't work fails when the configuration is read.
func (p *Profile) try() error {
	_, _, err := p.Describe(Person{Name: "alice", FullName: "Alice Example", Email: "alice@example.com", SID: "S-1-5-21-1-2-3-1001"})
	return err
}

// maxLifetime is ten years: longer than a card lasts.
const maxLifetime = 10 * 366 * 24 * time.Hour

func parseLifetime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil {
		return 0, fmt.Errorf(`%q is no lifetime; write "365d" or "12h"`, s)
	}
	if d < time.Minute || d > maxLifetime {
		return 0, fmt.Errorf("a lifetime of %s: it must be from a minute to ten years", s)
	}
	return d, nil
}

// SignsIn reports whether its certificates let their holders in: here, and at TLS servers.
func (p *Profile) SignsIn() bool {
	return slices.ContainsFunc(p.usages, usageNames["clientAuth"].Equal)
}

// Name is the profile's name in the configuration.
func (p *Profile) Name() string { return p.name }

// KeyAlgorithms are the kinds of key that the profile takes, the preferred
// first.
func (p *Profile) KeyAlgorithms() []string { return slices.Clone(p.keyAlgorithms) }

// Lifetime is how long a certificate of this profile is valid; less where the
// issuer ends before.
func (p *Profile) Lifetime() time.Duration { return p.lifetime }

// Allows reports whether the profile takes a key of this kind: nil or a
// [*KeyError] with the rule key.profile.
func (p *Profile) Allows(pub crypto.PublicKey) error {
	if a := KeyAlgorithm(pub); !slices.Contains(p.keyAlgorithms, a) {
		return &KeyError{"key.profile", fmt.Sprintf("the profile %q takes keys of %s, not %s",
			p.name, strings.Join(p.keyAlgorithms, ", "), a)}
	}
	return nil
}

// Describe says what a certificate for person will hold: the subject as RFC
// 4514 writes it, and the alternative names as "email:alice@example.com" and
// "upn:alice@corp.example". An account without an e-mail address gets no e-mail
// name. The error is a [*NameError] where the account's data can't stand in a
// certificate.
func (p *Profile) Describe(person Person) (subject string, sans []string, err error) {
	t, err := p.names(person)
	if err != nil {
		return "", nil, err
	}
	return t.subjectText, altNameStrings(t.sans), nil
}

// names are the parts of a certificate that come from the person.
func (p *Profile) names(person Person) (t terms, err error) {
	filled, err := p.subject.fill(person)
	if err != nil {
		return t, err
	}
	if t.subject, err = filled.marshal(); err != nil {
		return t, err
	}
	if t.subjectText, err = nameString(t.subject); err != nil {
		return t, err
	}
	if t.sans, err = p.altNames(person); err != nil {
		return t, err
	}
	if p.sid {
		extension, err := sidExtension(person.SID)
		if err != nil {
			return t, err
		}
		t.extensions = append(t.extensions, extension)
	}
	return t, nil
}

func (p *Profile) altNames(person Person) ([]altName, error) {
	var out []altName
	for _, kind := range p.sans {
		var n altName
		var err error
		switch {
		case kind == "upn":
			n, err = upnName(person.Name, p.upnDomain)
		case person.Email == "":
			continue
		default:
			n, err = emailName(person.Email)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}
