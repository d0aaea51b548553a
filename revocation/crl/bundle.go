package crl

import (
	"bytes"
	"encoding/pem"
	"fmt"
)

// PEMType is the label of a CRL (RFC 7468, Section 6).
const PEMType = "X509 CRL"

// maxBundle is how many CRLs [Split] takes: far more levels than any CA has.
const maxBundle = 64

// EncodePEM writes CRLs one after the other as PEM. OpenSSL's
// X509_V_FLAG_CRL_CHECK_ALL, and so nginx, Apache and HAProxy, wants one file
// with the CRL of every level.
func EncodePEM(ders ...[]byte) []byte {
	var out bytes.Buffer
	for _, der := range ders {
		// A bytes.Buffer does not fail, and there are no headers to refuse.
		_ = pem.Encode(&out, &pem.Block{Type: PEMType, Bytes: der})
	}
	return out.Bytes()
}

// Split takes DER of one CRL or PEM of several and returns each one's DER. Half
// a PEM block, or anything else than CRLs, is [ErrMalformed].
func Split(data []byte) ([][]byte, error) {
	begin := []byte("-----BEGIN " + PEMType + "-----")
	want := bytes.Count(data, begin)
	if want == 0 {
		if len(data) == 0 || data[0] != 0x30 { // a SEQUENCE
			return nil, fmt.Errorf("%w: neither DER nor PEM", ErrMalformed)
		}
		return [][]byte{data}, nil
	}
	if want > maxBundle {
		return nil, fmt.Errorf("%w: more than %d of them", ErrMalformed, maxBundle)
	}
	var ders [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != PEMType {
			return nil, fmt.Errorf("%w: PEM of type %q", ErrMalformed, block.Type)
		}
		ders = append(ders, block.Bytes)
	}
	// pem.Decode passes over a block that is broken: the count tells.
	if len(ders) != want {
		return nil, fmt.Errorf("%w: %d PEM blocks begin and %d are whole", ErrMalformed, want, len(ders))
	}
	return ders, nil
}
