package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A CSRError says which rule refused a certificate signing request.
type CSRError struct {
	Rule   string // "csr.signature", "csr.algorithm", "csr.names", …
	Reason string // for people
}

func (e *CSRError) Error() string { return e.Reason }

// csrAlgorithms are the signature algorithms that prove possession of a key:
// none with MD5 or SHA-1.
var csrAlgorithms = []x509.SignatureAlgorithm{
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.PureEd25519,
}

// CheckCSR verifies that a CSR is signed by the key it names (RFC 2986, Section
// 3: the proof of possession), by an algorithm that still proves something, and
// that the key is one of p's. The error is a [*CSRError] with the rule
// csr.version, csr.algorithm, csr.signature or csr.key, or a [*KeyError].
func (p KeyPolicy) CheckCSR(csr *x509.CertificateRequest) error {
	if csr.Version != 0 { // RFC 2986, Section 4.1
		return &CSRError{"csr.version", fmt.Sprintf("the CSR has version %d; only 0 exists", csr.Version)}
	}
	if !slices.Contains(csrAlgorithms, csr.SignatureAlgorithm) {
		return &CSRError{"csr.algorithm", fmt.Sprintf("the CSR is signed with %s, which proves nothing", csr.SignatureAlgorithm)}
	}
	// The key comes first: a huge RSA key would make its signature costly to verify.
	if err := p.CheckPublicKey(csr.PublicKey); err != nil {
		return err
	}
	// The certificate will hold the key encoded anew; whoever compares the two
	// byte for byte, as an attestation's check does, must find them equal.
	spki, err := derPublicKey(csr.PublicKey)
	if err != nil || !bytes.Equal(spki, csr.RawSubjectPublicKeyInfo) {
		return &CSRError{"csr.key", "the CSR's public key is not in its canonical DER encoding"}
	}
	if err := csr.CheckSignature(); err != nil {
		return &CSRError{"csr.signature", "the CSR's signature is not by the key that it names"}
	}
	return nil
}

var (
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256        = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
)

// derPublicKey is a key as a SubjectPublicKeyInfo: one of P-256, which nearly all are, for a
// tenth of what x509 takes.
func derPublicKey(pub crypto.PublicKey) ([]byte, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return x509.MarshalPKIXPublicKey(pub)
	}
	point, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	algorithm := der(casn1.SEQUENCE, derOID(oidECPublicKey), derOID(oidP256)) // RFC 5480, Section 2.1.1
	return der(casn1.SEQUENCE, algorithm, der(casn1.BIT_STRING, []byte{0}, point)), nil
}

// checkNames refuses a CSR that asks for another subject than will be issued,
// or, where it asks for alternative names at all, for others. A CSR without
// names asks for nothing.
func checkNames(csr *x509.CertificateRequest, subject string, sans []altName) error {
	asked, err := nameString(csr.RawSubject)
	if err != nil {
		return &CSRError{"csr.names", "the CSR's subject can't be read"}
	}
	if asked != "" && asked != subject {
		return &CSRError{"csr.names", fmt.Sprintf("the CSR asks for the subject %q, but this account gets %q", asked, subject)}
	}
	for _, e := range csr.Extensions {
		if e.Id.Equal(oidSAN) {
			return checkAltNames(e.Value, sans)
		}
	}
	return nil
}

func checkAltNames(der []byte, sans []altName) error {
	asked, err := parseAltNames(der)
	if err != nil {
		return &CSRError{"csr.names", "the CSR's alternative names can't be read"}
	}
	granted := altNameStrings(sans)
	if sameSet(asked, granted) {
		return nil
	}
	return &CSRError{"csr.names", fmt.Sprintf("the CSR asks for the alternative names %s, but this account gets %s",
		listOrNone(asked), listOrNone(granted))}
}

// sameSet compares without regard to order. Order and repetition have no
// meaning in a CSR's names.
func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func listOrNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
