package ca

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// check holds the bytes that are about to be signed to their terms: it parses
// them anew, as a relying party would, and compares every field and extension.
// Nothing that was not agreed on gets through, whatever built the bytes.
func (i *Issuer) check(t terms, tbs []byte) error {
	c, err := i.parseTBS(tbs)
	if err != nil {
		return fmt.Errorf("the certificate built can't be read: %w", err)
	}
	for _, rule := range []func(terms, *x509.Certificate) error{
		i.checkIssuer, checkValidity, checkSubject, checkUsages, checkURLs, i.checkExtensions,
	} {
		if err := rule(t, c); err != nil {
			return fmt.Errorf("the certificate built breaks its profile: %w", err)
		}
	}
	return nil
}

// parseTBS parses a TBSCertificate by putting it into a certificate whose
// signature is empty (RFC 5280, Section 4.1).
func (i *Issuer) parseTBS(tbs []byte) (*x509.Certificate, error) {
	der, err := i.certificate(tbs, nil)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (i *Issuer) checkIssuer(t terms, c *x509.Certificate) error {
	selfSigned := samePublicKey(t.pub, i.signer.Public())
	switch {
	case c.Version != 3:
		return errors.New("not version 3")
	case !bytes.Equal(c.RawIssuer, i.cert.RawSubject): // RFC 5280, Section 4.1.2.4
		return errors.New("another issuer")
	case c.SignatureAlgorithm != i.algorithm.X509:
		return errors.New("another signature algorithm")
	// RFC 5280, Section 4.2.1.1: only a root may leave it out.
	case !bytes.Equal(c.AuthorityKeyId, i.cert.SubjectKeyId) && !(selfSigned && len(c.AuthorityKeyId) == 0):
		return errors.New("another authority key identifier")
	}
	return nil
}

func checkValidity(t terms, c *x509.Certificate) error {
	if !c.NotBefore.Equal(t.notBefore) || !c.NotAfter.Equal(t.notAfter) || !c.NotBefore.Before(c.NotAfter) {
		return errors.New("another validity")
	}
	if c.NotAfter.Sub(c.NotBefore) > t.lifetime+backdate {
		return errors.New("valid for longer than it may be")
	}
	return nil
}

func checkSubject(t terms, c *x509.Certificate) error {
	serial, ok := SerialOf(c.SerialNumber) // RFC 5280, Section 4.1.2.2
	keyID, err := subjectKeyID(c.RawSubjectPublicKeyInfo)
	switch {
	case err != nil:
		return err
	case !ok || serial != t.serial:
		return errors.New("another serial number")
	case !bytes.Equal(c.RawSubject, t.subject):
		return errors.New("another subject")
	case !bytes.Equal(c.RawSubjectPublicKeyInfo, t.spki):
		return errors.New("another public key")
	case !bytes.Equal(c.SubjectKeyId, keyID):
		return errors.New("another subject key identifier")
	}
	return checkSANs(t, c)
}

func checkSANs(t terms, c *x509.Certificate) error {
	var names []string
	for _, e := range c.Extensions {
		if e.Id.Equal(oidSAN) {
			var err error
			if names, err = parseAltNames(e.Value); err != nil {
				return err
			}
		}
	}
	if !slices.Equal(names, altNameStrings(t.sans)) {
		return errors.New("other alternative names")
	}
	if t.subjectIsEmpty() && len(names) == 0 { // RFC 5280, Section 4.1.2.6
		return errors.New("neither a subject nor an alternative name")
	}
	return nil
}

func checkUsages(t terms, c *x509.Certificate) error {
	if c.KeyUsage != t.keyUsage {
		return errors.New("another key usage")
	}
	var usages []string
	for _, u := range c.ExtKeyUsage {
		usages = append(usages, u.OID().String())
	}
	for _, oid := range c.UnknownExtKeyUsage {
		usages = append(usages, oid.String())
	}
	var agreed []string
	for _, oid := range t.usages {
		agreed = append(agreed, oid.String())
	}
	if !sameSet(usages, agreed) {
		return errors.New("other extended key usages")
	}
	// RFC 5280, Section 4.2.1.9: keyCertSign and cA go together.
	if !c.BasicConstraintsValid || c.IsCA != t.ca || (c.KeyUsage&x509.KeyUsageCertSign != 0) != t.ca {
		return errors.New("a CA that shall be none, or none that shall be one")
	}
	if t.ca && (c.MaxPathLen != t.pathLen || c.MaxPathLenZero != (t.pathLen == 0)) {
		return errors.New("another path length")
	}
	return nil
}

func checkURLs(t terms, c *x509.Certificate) error {
	if !slices.Equal(c.OCSPServer, orNone(t.urls.OCSP)) ||
		!slices.Equal(c.IssuingCertificateURL, orNone(t.urls.CAIssuers)) ||
		!slices.Equal(c.CRLDistributionPoints, orNone(t.urls.CRL)) {
		return errors.New("other URLs")
	}
	if t.partition.Number != 0 && t.urls.CRL != t.partition.URL { // it would be on no CRL that it names
		return errors.New("another partition's CRL")
	}
	return nil
}

var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCRLDistribution  = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidAuthorityInfo    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
)

// checkExtensions wants exactly the extensions of t, each once and critical
// only where RFC 5280, Section 4.2.1 would have it so.
func (i *Issuer) checkExtensions(t terms, c *x509.Certificate) error {
	missing := make([]pkix.Extension, 0, 16)
	expect := func(present bool, oid asn1.ObjectIdentifier, critical bool) {
		if present {
			missing = append(missing, pkix.Extension{Id: oid, Critical: critical})
		}
	}
	expect(true, oidSubjectKeyID, false)
	expect(true, oidKeyUsage, true)
	expect(true, oidBasicConstraints, true)
	expect(len(c.AuthorityKeyId) > 0, oidAuthorityKeyID, false)
	expect(len(t.usages) > 0, oidExtKeyUsage, false)
	expect(len(t.sans) > 0, oidSAN, t.subjectIsEmpty())
	expect(t.urls.CRL != "", oidCRLDistribution, false)
	expect(t.urls.OCSP != "" || t.urls.CAIssuers != "", oidAuthorityInfo, false)
	for _, e := range t.extensions {
		expect(true, e.Id, false)
	}
	for _, e := range c.Extensions {
		at := slices.IndexFunc(missing, func(m pkix.Extension) bool { return m.Id.Equal(e.Id) })
		if at < 0 || e.Critical != missing[at].Critical {
			return fmt.Errorf("extension %s was not agreed on, is there twice, or is critical where it must not be", e.Id)
		}
		missing = slices.Delete(missing, at, at+1)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d extensions are missing", len(missing))
	}
	return checkFurther(t, c)
}

// checkFurther compares the values of the extensions that crypto/x509 doesn't
// parse.
func checkFurther(t terms, c *x509.Certificate) error {
	for _, want := range t.extensions {
		for _, e := range c.Extensions {
			if e.Id.Equal(want.Id) && !bytes.Equal(e.Value, want.Value) {
				return fmt.Errorf("another value of extension %s", e.Id)
			}
		}
	}
	return nil
}
