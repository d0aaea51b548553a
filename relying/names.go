package relying

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"

	"signet/ca"
	"signet/internal/dn"
)

// Names are what a certificate calls its owner. Each may be empty.
type Names struct {
	// Account is the name to go by: the subject's UID, where Signet's profiles put
	// the account's name, or else its common name.
	Account    string
	CommonName string
	Email      string // the first of the alternative names
	UPN        string // Windows' user principal name
}

// oidUID is userId of RFC 4519, Section 2.39.
var oidUID = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}

// NamesOf reads the names out of a certificate. It verifies nothing.
func NamesOf(cert *x509.Certificate) Names {
	n := Names{CommonName: cert.Subject.CommonName, UPN: ca.UPN(cert)}
	for _, attribute := range cert.Subject.Names {
		if text, ok := attribute.Value.(string); ok && attribute.Type.Equal(oidUID) && n.Account == "" {
			n.Account = text
		}
	}
	if n.Account == "" {
		n.Account = n.CommonName
	}
	if len(cert.EmailAddresses) > 0 {
		n.Email = cert.EmailAddresses[0]
	}
	return n
}

// describe fills in what an Identity says of every certificate.
func describe(cert *x509.Certificate) Identity {
	sum := sha256.Sum256(cert.Raw)
	return Identity{
		Serial: hex.EncodeToString(cert.SerialNumber.Bytes()), Issuer: dn.String(cert.RawIssuer),
		Fingerprint: hex.EncodeToString(sum[:]), Certificate: cert,
	}
}
