package ca

import (
	"context"
	"errors"
	"time"
)

// URLs say where relying parties find what they need to check a certificate.
// They go into certificates as they are, over plain http: a client that must
// check a certificate to fetch them over TLS would never end (RFC 5280, Section 8).
type URLs struct {
	CRL       string // the issuer's CRL, DER
	OCSP      string // the responder
	CAIssuers string // the issuer's certificate, DER
}

// URLsAt are the URLs of an issuer below the base URL of Signet's plain HTTP
// listener: "http://ca.example:8080".
func URLsAt(base, issuerID string) URLs {
	return URLs{CRL: base + "/crl/" + issuerID + ".crl", OCSP: base + "/ocsp", CAIssuers: base + "/ca/" + issuerID + ".cer"}
}

// Issue makes a certificate of p for r.
func (i *Issuer) Issue(ctx context.Context, p *Profile, r Request, urls URLs, now time.Time) (*Certificate, error) {
	return nil, errors.New("issuing: in the making")
}
