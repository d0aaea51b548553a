package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrIssuerValidity is what issuing returns where the issuer, or a certificate
// above it, is not valid yet or no longer.
var ErrIssuerValidity = errors.New("the CA's own certificate is not valid now")

// backdate is how far before the moment of issue a certificate begins, so that
// a server whose clock is a little slow takes it at once.
const backdate = time.Minute

// terms are what one certificate shall be, to the last extension. It is built
// by them, and checked against them again before it is signed.
type terms struct {
	profile     string
	serial      Serial
	pub         crypto.PublicKey
	spki        []byte // DER of pub
	subject     []byte // DER
	subjectText string // RFC 4514
	sans        []altName
	keyUsage    x509.KeyUsage
	usages      []asn1.ObjectIdentifier // extended; none for a CA
	extensions  []pkix.Extension        // further ones, none critical
	urls        URLs                    // an empty one is left out
	partition   Partition               // of which urls.CRL is the CRL; zero for none
	lifetime    time.Duration
	ca          bool
	pathLen     int       // of a CA; -1 without limit
	until       time.Time // the end at the latest; zero for none
	// notBefore and notAfter follow from lifetime and until; whole seconds, UTC.
	notBefore, notAfter time.Time
}

// Issue makes a certificate of p for r. Subject, names and usages come from the
// profile and the person; of the CSR, whose signature the caller has checked,
// only the key, and a CSR that asks for other names is refused, unless the
// profile ignores them. Account and Card of the result are left to the caller,
// and so are the audit lines.
//
// The certificate begins a minute before now and ends with p's lifetime, with r.Until or
// with the CA, whichever comes first. Where urls has partitions, it is in one of them, and
// that one's CRL is its distribution point. The error is a [*KeyError], [*CSRError] or
// [*NameError] where a rule refused, and [ErrIssuerValidity] where the CA has
// run out.
func (i *Issuer) Issue(ctx context.Context, p *Profile, r Request, urls URLs, now time.Time) (*Certificate, error) {
	t, err := p.terms(r)
	if err != nil {
		return nil, err
	}
	if err := urls.check(true); err != nil {
		return nil, err
	}
	t.urls = urls
	if t.partition = urls.partition(t.serial); t.partition.Number != 0 {
		t.urls.CRL = t.partition.URL
	}
	return i.issue(ctx, t, now)
}

// terms applies the profile to a request.
func (p *Profile) terms(r Request) (terms, error) {
	if err := CheckPublicKey(r.CSR.PublicKey); err != nil {
		return terms{}, err
	}
	if err := p.Allows(r.CSR.PublicKey); err != nil {
		return terms{}, err
	}
	t, err := p.names(r.Person)
	if err != nil {
		return terms{}, err
	}
	if !p.ignoreNames {
		if err := checkNames(r.CSR, t.subjectText, t.sans); err != nil {
			return terms{}, err
		}
	}
	t.profile, t.serial, t.lifetime, t.usages = p.name, r.Serial, p.lifetime, p.usages
	t.until = r.Until
	t.pub, t.spki = r.CSR.PublicKey, r.CSR.RawSubjectPublicKeyInfo
	t.keyUsage = p.keyUsageFor(t.pub)
	return t, nil
}

// issue builds a certificate of t, has it checked, and signs it.
func (i *Issuer) issue(ctx context.Context, t terms, now time.Time) (*Certificate, error) {
	if err := i.mayCertify(t); err != nil {
		return nil, err
	}
	if err := i.setValidity(&t, now); err != nil {
		return nil, err
	}
	tbs, err := i.tbs(&t)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	der, err := i.sign(t, tbs)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %q: %w", t.subjectText, err)
	}
	return &Certificate{
		Issuer: i.id, Serial: t.serial, DER: der, Profile: t.profile, Subject: t.subjectText,
		KeyID: KeyIDOf(t.spki), NotBefore: t.notBefore, NotAfter: t.notAfter, IssuedAt: now.UTC(),
		Partition: t.partition.Number,
	}, nil
}

// mayCertify refuses a serial that no source gave and the CA's own keys.
func (i *Issuer) mayCertify(t terms) error {
	if !t.serial.valid() {
		return ErrBadSerial
	}
	if t.ca {
		return nil
	}
	for _, c := range append([]*x509.Certificate{i.cert}, i.above...) {
		if bytes.Equal(c.RawSubjectPublicKeyInfo, t.spki) {
			return &KeyError{"key.ca", "the key is the CA's own"}
		}
	}
	return nil
}

// setValidity keeps a certificate within the time of its issuer: RFC 5280,
// Section 6.1.3 (a)(2) would refuse the path outside of it anyway.
func (i *Issuer) setValidity(t *terms, now time.Time) error {
	now = now.UTC().Truncate(time.Second) // RFC 5280, Section 4.1.2.5: Zulu, no fractions
	if now.Before(i.notBefore) || !now.Before(i.notAfter) {
		return fmt.Errorf("%w: from %s to %s", ErrIssuerValidity, i.notBefore.Format(time.RFC3339), i.notAfter.Format(time.RFC3339))
	}
	t.notBefore, t.notAfter = now.Add(-backdate), now.Add(t.lifetime)
	if until := t.until.UTC().Truncate(time.Second); !t.until.IsZero() && t.notAfter.After(until) {
		t.notAfter = until
	}
	if !t.notAfter.After(now) {
		return errors.New("the certificate would have ended before it began")
	}
	if t.notBefore.Before(i.notBefore) {
		t.notBefore = i.notBefore
	}
	if t.notAfter.After(i.notAfter) {
		t.notAfter = i.notAfter
	}
	return nil
}

// subjectIsEmpty: RFC 5280, Section 4.2.1.6 has the alternative names critical
// where the subject is an empty sequence.
func (t terms) subjectIsEmpty() bool { return len(t.subject) == 2 }

func orNone(url string) []string {
	if url == "" {
		return nil
	}
	return []string{url}
}

// subjectKeyID is RFC 7093, Section 2, method 1: the leftmost 160 bits of the
// SHA-256 of the key's bits.
func subjectKeyID(spki []byte) ([]byte, error) {
	input := cryptobyte.String(spki)
	var info cryptobyte.String
	var bits asn1.BitString
	if !input.ReadASN1(&info, casn1.SEQUENCE) || !info.SkipASN1(casn1.SEQUENCE) || !info.ReadASN1BitString(&bits) {
		return nil, errors.New("malformed public key")
	}
	sum := sha256.Sum256(bits.Bytes)
	return sum[:20], nil
}

// sign makes a certificate of tbs, which is checked against t before the key
// touches it. The signature is verified: one that a faulty signer made could
// give its key away.
func (i *Issuer) sign(t terms, tbs []byte) ([]byte, error) {
	if err := i.check(t, tbs); err != nil {
		return nil, err
	}
	signature, err := crypto.SignMessage(i.signer, rand.Reader, tbs, i.algorithm.Hash)
	if err != nil {
		return nil, err
	}
	if err := i.cert.CheckSignature(i.algorithm.X509, tbs, signature); err != nil {
		return nil, fmt.Errorf("the signer's signature is none: %w", err)
	}
	return i.certificate(tbs, signature)
}
