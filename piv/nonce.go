package piv

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// oidNonce is id-cmc-recipientNonce (RFC 5272, Section 6.6): "here is your
// nonce back". An attestation has no date; the nonce in the signed CSR is what
// shows that the key was at hand just now.
var oidNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 7}

// maxNonce bounds a nonce, in bytes.
const maxNonce = 256

// AddNonce has the CSR made from template carry a server's nonce, as an OCTET STRING.
func AddNonce(template *x509.CertificateRequest, nonce []byte) {
	value, err := asn1.Marshal(nonce)
	if err != nil {
		panic(err) // a byte string always has a DER form
	}
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidNonce, Value: value})
}

// NonceFromCSR is the nonce that csr carries; false where there is none, or one that
// can't be read, or more than one.
func NonceFromCSR(csr *x509.CertificateRequest) (nonce []byte, ok bool) {
	for _, e := range csr.Extensions {
		if !e.Id.Equal(oidNonce) {
			continue
		}
		if ok || len(e.Value) > maxNonce {
			return nil, false
		}
		rest, err := asn1.Unmarshal(e.Value, &nonce)
		if err != nil || len(rest) > 0 || len(nonce) == 0 {
			return nil, false
		}
		ok = true
	}
	return nonce, ok
}
