// Package certfile reads and writes files of certificates: a root, a chain, what a CA's
// /ca/bundle.pem gives.
package certfile

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

const pemType = "CERTIFICATE" // RFC 7468, Section 5

// Read is [Parse] of a file. Its errors name the file.
func Read(path string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	certs, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}

// Encode is certificates as PEM, one after the other.
func Encode(ders ...[]byte) (out []byte) {
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})...)
	}
	return out
}

// Parse returns the certificates in PEM, in their order, or the one in DER. It fails
// where there is none, and where one is broken: a level that is silently left out of
// a chain would not be checked. Other kinds of PEM are passed over.
func Parse(data []byte) ([]*x509.Certificate, error) {
	begin := []byte("-----BEGIN " + pemType + "-----")
	want := bytes.Count(data, begin)
	if want == 0 {
		c, err := x509.ParseCertificate(data)
		if err != nil {
			return nil, errors.New("it holds no certificate")
		}
		return []*x509.Certificate{c}, nil
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pemType {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	// pem.Decode passes over a block that is broken: the count tells.
	if len(certs) != want {
		return nil, fmt.Errorf("%d certificates begin and %d are whole", want, len(certs))
	}
	return certs, nil
}
