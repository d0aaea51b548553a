package relying

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"signet/ca"
	"signet/internal/certfile"
)

// Config is whom to trust, and how to know what they revoked. Only Authorities
// must be there.
type Config struct {
	Authorities []Authority

	// Dir is a folder that keeps a copy of the CRLs, so that a restart while the CA
	// is down has them; it is made if it is not there. "" keeps them in memory alone.
	Dir string
	// FailOpen lets a certificate in of which nobody can say whether it is revoked,
	// marked as [Identity.Unchecked]: its CRL was never fetched or has run out, and no
	// responder answers. False refuses it. What is known to be revoked stays out either way.
	FailOpen bool
	// OCSP is asked beside CRLs or in their place; the zero value never asks.
	OCSP OCSP
	// Every is how often CRLs are looked for while no event announces them; 0 for
	// half a minute. What has not changed is not fetched again.
	Every time.Duration

	// HTTP fetches CRLs and OCSP answers; nil for a client with timeouts that
	// follows no redirect to another host.
	HTTP *http.Client
	// MaxBytes bounds one CRL; 0 for 128 MiB, which holds two million certificates.
	MaxBytes int64
	// Slack is how far the CA's clock may be ahead of this one; 0 for 5 minutes.
	Slack time.Duration

	Logger *slog.Logger     // nil for slog.Default()
	Now    func() time.Time // nil for time.Now
}

// An Authority is a CA: a root and what is below it.
type Authority struct {
	// Certificates are those of every level, the root's too, in any order: the CA's
	// /ca/bundle.pem, for [ReadCertificates]. No other intermediates are trusted.
	Certificates []*x509.Certificate
	// URL is the base of the CA's plain HTTP listener: "http://ca.example.com:8080".
	// Below it are the CRL of each level, and the events that announce them.
	URL string
	// CRLs are URLs to fetch CRLs from instead: each gives one in DER or several in
	// PEM, and together they give one of every level.
	CRLs []string
}

// An OCSPUse says when the OCSP responder is asked.
type OCSPUse string

// The uses of OCSP. Whoever says "revoked" wins, in each of them.
const (
	// OCSPNever: CRLs alone count.
	OCSPNever OCSPUse = "never"
	// OCSPFallback: OCSP is asked where the CRL is missing or has run out.
	OCSPFallback OCSPUse = "fallback"
	// OCSPAlso: both are asked, and one of them that says "good" is enough when the
	// other can't be had.
	OCSPAlso OCSPUse = "also"
	// OCSPInstead: OCSP alone counts for certificates that name a responder. A CA's
	// own that names none is held to the CRL above it; no other CRL is fetched.
	OCSPInstead OCSPUse = "instead"
)

// OCSP says whether and how responders are asked.
type OCSP struct {
	Use OCSPUse // "" for OCSPNever
	// URL is asked about certificates of the lowest level; "" for the first http or https URL that each
	// certificate names (RFC 5280, Section 4.2.2.1).
	URL string
	// Nonce asks with one, so that no answer can be an old one. A responder then has to
	// sign each; without, it may answer with what it has signed before.
	Nonce bool
	// Timeout bounds one question; 0 for 5 seconds.
	Timeout time.Duration
	// MaxAge is how long an answer is good for without asking again, never beyond
	// its nextUpdate; 0 for a minute. When the responder is out of reach, it is good to
	// its nextUpdate.
	MaxAge time.Duration
	// Answers is how many are remembered; 0 for 10,000.
	Answers int
}

// ReadCertificates reads the certificates in a PEM file. It fails where one of them is broken.
func ReadCertificates(name string) ([]*x509.Certificate, error) { return certfile.Read(name) }

func (c *Config) check() error {
	if len(c.Authorities) == 0 {
		return errors.New("no CA is to be trusted: Authorities is empty")
	}
	c.Authorities = slices.Clone(c.Authorities) // the caller's stay as they are
	for i := range c.Authorities {
		if err := c.Authorities[i].check(); err != nil {
			return err
		}
	}
	if c.Every == 0 {
		c.Every = 30 * time.Second
	}
	if c.HTTP == nil {
		c.HTTP = newHTTP()
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 128 << 20
	}
	if c.Slack == 0 {
		c.Slack = 5 * time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c.OCSP.check()
}

func (a *Authority) check() error {
	if len(a.Certificates) == 0 {
		return errors.New("a CA has no certificates")
	}
	a.Certificates = distinct(a.Certificates)
	a.URL = strings.TrimRight(a.URL, "/")
	for _, text := range append([]string{a.URL}, a.CRLs...) {
		if err := checkURL(text); text != "" && err != nil {
			return err
		}
	}
	return nil
}

func (o *OCSP) check() error {
	if o.Use == "" {
		o.Use = OCSPNever
	}
	switch o.Use {
	case OCSPNever, OCSPFallback, OCSPAlso, OCSPInstead:
	default:
		return fmt.Errorf("%q is no use of OCSP; one of never, fallback, also, instead", o.Use)
	}
	if o.URL != "" {
		if err := checkURL(o.URL); err != nil {
			return err
		}
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxAge == 0 {
		o.MaxAge = time.Minute
	}
	if o.Answers == 0 {
		o.Answers = 10_000
	}
	return nil
}

// checkURL wants an absolute one of http or https: what stands in certificates
// and CRLs must not make us open files or speak other protocols.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > 2048 || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%.200q is no http:// or https:// URL", text)
	}
	return nil
}

// newHTTP has no timeout of its own: a long CRL takes its time, and each
// question its context.
func newHTTP() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	t.DisableCompression = true // CRLs are random numbers
	return &http.Client{Transport: t, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 || req.URL.Hostname() != via[0].URL.Hostname() {
			return fmt.Errorf("redirected to %.200s", req.URL.Redacted())
		}
		return nil
	}}
}

// distinct drops certificates of one CA with one key that appear twice: in a
// chain file, or as renewed. The one that holds longest stays.
func distinct(cas []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
next:
	for _, c := range cas {
		for i, d := range out {
			if sameCA(c, d) {
				if c.NotAfter.After(d.NotAfter) {
					out[i] = c
				}
				continue next
			}
		}
		out = append(out, c)
	}
	return out
}

func sameCA(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubject, b.RawSubject) && bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}

// crlURL is where below URL the CRL of one level is.
func (a *Authority) crlURL(c *x509.Certificate) string {
	return ca.URLsAt(a.URL, ca.IssuerID(c)).CRL
}
