package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.step.sm/crypto/keyutil"

	"signet/internal/sigalg"
)

// SetupConfig is what a new hierarchy shall be.
type SetupConfig struct {
	// Name is the organisation's, in both subjects; 48 characters at most.
	Name string
	// RootAlgorithm and IntermediateAlgorithm are as a profile names them; ""
	// is P-384 for the root and P-256 for the intermediate.
	RootAlgorithm, IntermediateAlgorithm string
	// RootLifetime and IntermediateLifetime: 0 is 20 years and 10.
	RootLifetime, IntermediateLifetime time.Duration
	// RootSerial and IntermediateSerial come from a [SerialSource].
	RootSerial, IntermediateSerial Serial
	// URL is the base of the plain HTTP listener, below which the root's CRL
	// and certificate will be found: "http://ca.example:8080".
	URL string
	// Now is the moment of issue; the zero value is time.Now.
	Now time.Time
}

const year = 365 * 24 * time.Hour

func (c SetupConfig) withDefaults() SetupConfig {
	if c.RootAlgorithm == "" {
		c.RootAlgorithm = "P-384"
	}
	if c.IntermediateAlgorithm == "" {
		c.IntermediateAlgorithm = "P-256"
	}
	if c.RootLifetime == 0 {
		c.RootLifetime = 20 * year
	}
	if c.IntermediateLifetime == 0 {
		c.IntermediateLifetime = 10 * year
	}
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
	return c
}

// A Hierarchy is a root and an intermediate below it, with their keys.
type Hierarchy struct {
	Root            *x509.Certificate
	RootKey         crypto.Signer
	Intermediate    *x509.Certificate
	IntermediateKey crypto.Signer
	// Records are both certificates as a store keeps them, the root's first.
	Records []*Certificate
}

// NewHierarchy makes the keys and certificates of a new CA. Nothing is written
// anywhere: [SaveKey] keeps the keys.
func NewHierarchy(c SetupConfig) (*Hierarchy, error) {
	c = c.withDefaults()
	h := &Hierarchy{}
	if err := h.makeRoot(c); err != nil {
		return nil, fmt.Errorf("making the root: %w", err)
	}
	if err := h.makeIntermediate(c); err != nil {
		return nil, fmt.Errorf("making the intermediate: %w", err)
	}
	return h, nil
}

// makeRoot has the root issued by an issuer whose certificate does not exist
// yet: of it, subject, key and validity are all that issuing needs.
func (h *Hierarchy) makeRoot(c SetupConfig) error {
	key, err := GenerateKey(c.RootAlgorithm)
	if err != nil {
		return err
	}
	t, err := caTerms(RootProfile, c.Name, "Root CA", key.Public(), -1)
	if err != nil {
		return err
	}
	t.serial, t.lifetime = c.RootSerial, c.RootLifetime
	self, err := selfIssuer(t, key, c.Now)
	if err != nil {
		return err
	}
	h.RootKey = key
	h.Root, err = h.issue(self, t, c.Now)
	return err
}

func selfIssuer(t terms, key crypto.Signer, now time.Time) (*Issuer, error) {
	algorithm, err := sigalg.For(key.Public())
	if err != nil {
		return nil, err
	}
	keyID, err := subjectKeyID(t.spki)
	if err != nil {
		return nil, err
	}
	now = now.UTC().Truncate(time.Second)
	return &Issuer{
		cert:   &x509.Certificate{RawSubject: t.subject, RawSubjectPublicKeyInfo: t.spki, PublicKey: t.pub, SubjectKeyId: keyID},
		signer: key, id: issuerID(t.spki), algorithm: algorithm,
		notBefore: now.Add(-backdate), notAfter: now.Add(t.lifetime),
	}, nil
}

func (h *Hierarchy) makeIntermediate(c SetupConfig) error {
	root, err := h.RootIssuer()
	if err != nil {
		return err
	}
	key, err := GenerateKey(c.IntermediateAlgorithm)
	if err != nil {
		return err
	}
	// Path length 0: this one issues leaves and no further CA.
	t, err := caTerms(IntermediateProfile, c.Name, "Issuing CA", key.Public(), 0)
	if err != nil {
		return err
	}
	t.serial, t.lifetime = c.IntermediateSerial, c.IntermediateLifetime
	t.urls = URLsAt(strings.TrimSuffix(c.URL, "/"), root.ID())
	t.urls.OCSP = "" // the root is offline and has no responder
	if err := t.urls.check(false); err != nil {
		return err
	}
	h.IntermediateKey = key
	h.Intermediate, err = h.issue(root, t, c.Now)
	return err
}

func (h *Hierarchy) issue(i *Issuer, t terms, now time.Time) (*x509.Certificate, error) {
	record, err := i.issue(context.Background(), t, now)
	if err != nil {
		return nil, err
	}
	h.Records = append(h.Records, record)
	return record.X509()
}

// caTerms are a CA certificate's: RFC 5280, Section 4.2.1.3, it signs
// certificates and CRLs and nothing else.
func caTerms(profile, organisation, title string, pub crypto.PublicKey, pathLen int) (terms, error) {
	t := terms{profile: profile, ca: true, pathLen: pathLen, keyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	if err := t.setKey(pub); err != nil {
		return t, err
	}
	return t, t.setSubject(name{
		{{attributeTypeOf("O"), organisation}},
		{{attributeTypeOf("CN"), organisation + " " + title}},
	})
}

// RootIssuer is the root as an issuer; it signs its CRL and intermediates.
func (h *Hierarchy) RootIssuer() (*Issuer, error) { return NewIssuer(h.Root, nil, h.RootKey) }

// Issuer is the intermediate as an issuer.
func (h *Hierarchy) Issuer() (*Issuer, error) {
	return NewIssuer(h.Intermediate, []*x509.Certificate{h.Root}, h.IntermediateKey)
}

// GenerateKey makes a key of an algorithm as a profile names it.
func GenerateKey(algorithm string) (crypto.Signer, error) {
	kind, curve, bits := "EC", algorithm, 0
	switch {
	case !slices.Contains(allAlgorithms, algorithm):
		return nil, fmt.Errorf("%q is no key algorithm; one of %s", algorithm, strings.Join(allAlgorithms, ", "))
	case algorithm == "Ed25519":
		kind = "OKP"
	case strings.HasPrefix(algorithm, "RSA-"):
		kind, curve = "RSA", ""
		if _, err := fmt.Sscanf(algorithm, "RSA-%d", &bits); err != nil {
			return nil, err
		}
	}
	return keyutil.GenerateSigner(kind, curve, bits)
}
