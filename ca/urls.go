package ca

import (
	"fmt"
	"net/url"
)

// URLs say where relying parties find what they need to check a certificate.
// They go into certificates as they are, over plain http: a client that had to
// check a certificate to fetch them over TLS would never end (RFC 5280, Section 8).
type URLs struct {
	CRL       string // the issuer's CRL, DER
	OCSP      string // the responder
	CAIssuers string // the issuer's certificate, DER
}

// URLsAt are the URLs of an issuer below the base URL of Signet's plain HTTP
// listener: "http://ca.example:8080".
func URLsAt(base, issuerID string) URLs {
	return URLs{
		CRL:       base + "/crl/" + issuerID + ".crl",
		OCSP:      base + "/ocsp",
		CAIssuers: base + "/ca/" + issuerID + ".cer",
	}
}

// check wants a plain http URL in each place; ocsp may be empty for a
// certificate whose issuer has no responder.
func (u URLs) check(ocsp bool) error {
	texts := []string{u.CRL, u.CAIssuers}
	if ocsp {
		texts = append(texts, u.OCSP)
	}
	for _, text := range texts {
		parsed, err := url.Parse(text)
		// RFC 5280, Section 4.2.1.13: an absolute URI of the http scheme.
		if err != nil || parsed.Scheme != "http" || parsed.Host == "" || !isPrintableURL(text) {
			return fmt.Errorf("%q can't stand in a certificate as a URL: want http://HOST/…", text)
		}
	}
	return nil
}

func isPrintableURL(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' { // an IA5String, and no space
			return false
		}
	}
	return true
}
