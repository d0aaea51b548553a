package relying

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"signet/internal/dn"
)

// A trust is the CAs that are trusted, of all authorities together. What a
// client sends beside its own certificate is not looked at: every level is
// configured, or there would be no CRL to hold it against.
type trust struct {
	roots, between *x509.CertPool
	all            *x509.CertPool // named to clients, which choose a certificate by it
	known          *memo[*known]  // by SHA-256 of the certificate
}

// A known certificate is one that leads to a root of ours. Dates and revocation
// are looked at each time.
type known struct {
	chains   [][]*x509.Certificate
	identity Identity // without a result, with names
}

// knownSize bounds how many certificates are remembered.
const knownSize = 8192

func newTrust(cas []*x509.Certificate) (*trust, error) {
	t := &trust{
		roots: x509.NewCertPool(), between: x509.NewCertPool(), all: x509.NewCertPool(),
		known: newMemo[*known](knownSize),
	}
	for _, c := range cas {
		if !c.IsCA {
			return nil, fmt.Errorf("%q is no CA's certificate", c.Subject)
		}
		t.all.AddCert(c)
		if isRoot(c) {
			t.roots.AddCert(c)
			continue
		}
		if issuerOf(c, cas) == nil {
			return nil, fmt.Errorf("the certificate of %q, which issued that of %q, is missing", c.Issuer, c.Subject)
		}
		t.between.AddCert(c)
	}
	return t, nil
}

func isRoot(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

func issuerOf(c *x509.Certificate, cas []*x509.Certificate) *x509.Certificate {
	for _, i := range cas {
		if bytes.Equal(i.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(i) == nil {
			return i
		}
	}
	return nil
}

// find is what is known of a certificate, with at least one chain, or why there is none.
func (t *trust) find(leaf *x509.Certificate, now time.Time) (*known, *failure) {
	key := memoKey(sha256.Sum256(leaf.Raw))
	if k, ok := t.known.get(key); ok && inDate(k.chains, now) != nil {
		return k, nil
	}
	k := &known{identity: describe(leaf)}
	var fail *failure
	if k.chains, fail = t.verify(leaf, now); fail != nil {
		return k, fail
	}
	k.identity.Names = NamesOf(leaf)
	t.known.put(key, k)
	return k, nil
}

// verify builds the chains by RFC 5280, Section 6.1. Who issued a certificate is
// asked first, what it is for after that: of another CA's it is of no matter.
func (t *trust) verify(leaf *x509.Certificate, now time.Time) ([][]*x509.Certificate, *failure) {
	chains, err := t.chainsOf(leaf, now)
	switch {
	case err != nil && reasonOf(err) == WrongUsage && !t.issued(leaf, now):
		return nil, &failure{reason: UnknownIssuer, err: x509.UnknownAuthorityError{Cert: leaf}}
	case err != nil:
		return nil, &failure{reason: reasonOf(err), err: err}
	case leaf.IsCA:
		return nil, &failure{reason: WrongUsage, err: errors.New("it is a CA's own certificate")}
	}
	return chains, nil
}

// chainsOf leads to the roots. A certificate out of its dates is held to the nearest
// day of its life, so that "expired" is told from "of another CA"; dates are judged
// by the caller.
func (t *trust) chainsOf(leaf *x509.Certificate, now time.Time) ([][]*x509.Certificate, error) {
	at := now
	switch {
	case now.Before(leaf.NotBefore):
		at = leaf.NotBefore
	case now.After(leaf.NotAfter):
		at = leaf.NotAfter
	}
	return leaf.Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: t.between, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, // RFC 5280, Section 4.2.1.12
	})
}

// issued reports whether a certificate with critical extensions that nobody here
// knows, at which [x509.Certificate.Verify] gives up before it looks for the issuer, is of
// these CAs all the same.
func (t *trust) issued(leaf *x509.Certificate, now time.Time) bool {
	plain := *leaf
	plain.UnhandledCriticalExtensions = nil
	_, err := t.chainsOf(&plain, now)
	return err == nil || reasonOf(err) != UnknownIssuer
}

func reasonOf(err error) Reason {
	var invalid x509.CertificateInvalidError
	var unhandled x509.UnhandledCriticalExtension
	switch {
	case errors.As(err, &unhandled):
		return WrongUsage
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return WrongUsage
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Expired // a CA's: the certificate itself is held to a day of its life
	}
	return UnknownIssuer
}

// inDate is the first chain of which every certificate is in its dates; nil for none.
func inDate(chains [][]*x509.Certificate, now time.Time) []*x509.Certificate {
	for _, chain := range chains {
		if outOfDate(chain, now) == nil {
			return chain
		}
	}
	return nil
}

func outOfDate(chain []*x509.Certificate, now time.Time) *failure {
	for _, c := range chain {
		switch {
		case now.Before(c.NotBefore):
			return &failure{reason: NotYetValid, err: fmt.Errorf("the certificate of %q holds from %s", dn.String(c.RawSubject), c.NotBefore.UTC().Format(time.RFC3339))}
		case now.After(c.NotAfter):
			return &failure{reason: Expired, err: fmt.Errorf("the certificate of %q held until %s", dn.String(c.RawSubject), c.NotAfter.UTC().Format(time.RFC3339))}
		}
	}
	return nil
}

// A failure is why a certificate doesn't do.
type failure struct {
	reason     Reason
	revocation *Revocation
	err        error
}

func fail(r Reason, format string, args ...any) *failure {
	return &failure{reason: r, err: fmt.Errorf(format, args...)}
}
