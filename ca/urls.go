package ca

import (
	"encoding/binary"
	"fmt"
	"net/url"
	"strconv"
)

// URLs say where relying parties find what they need to check a certificate.
// They go into certificates as they are, over plain http: a client that had to
// check a certificate to fetch them over TLS would never end (RFC 5280, Section 8).
type URLs struct {
	CRL       string // the issuer's CRL, DER
	OCSP      string // the responder
	CAIssuers string // the issuer's certificate, DER
	// Partitions are those that certificates of accounts are spread over; none for
	// the complete CRL alone.
	Partitions []Partition
}

// A Partition is a part of an issuer's certificates that has a CRL of its own
// beside the complete one. Which one a certificate is in is fixed when it is issued.
type Partition struct {
	Number int // from 1 on; 0 for a certificate that is in none
	// URL is the distribution point in its certificates and, byte for byte, in its CRL
	// (RFC 5280, Section 5.2.5).
	URL string
}

// PartitionURL is the URL of a partition's CRL below base; see [URLsAt].
func PartitionURL(base, issuerID string, number int) string {
	return base + "/crl/" + issuerID + "/" + strconv.Itoa(number) + ".crl"
}

// partition is where the certificate with that serial belongs: its last 64
// bits are random, and so partitions grow alike.
func (u URLs) partition(serial Serial) Partition {
	if len(u.Partitions) == 0 {
		return Partition{}
	}
	return u.Partitions[binary.BigEndian.Uint64(serial[len(serial)-8:])%uint64(len(u.Partitions))]
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
	for _, p := range u.Partitions {
		if p.Number < 1 {
			return fmt.Errorf("partition %d: their numbers begin with 1", p.Number)
		}
		texts = append(texts, p.URL)
	}
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
