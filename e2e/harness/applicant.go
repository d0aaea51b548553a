package harness

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"signet/enroll"
	"signet/piv"
	"signet/piv/softcard"
)

// An Applicant is a key with the attestation of the card that it would be in:
// what a card hands in, without the time that a card takes.
type Applicant struct {
	Key         crypto.Signer
	attestation *piv.Attestation
}

// NewApplicant makes a key as if in slot 9a of the device.
func NewApplicant(device *softcard.Device) (*Applicant, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	slot, err := device.Attest(byte(piv.SlotAuthentication), key.Public(),
		softcard.PINPolicy(piv.PINOnce), softcard.TouchPolicy(piv.TouchNever))
	if err != nil {
		return nil, err
	}
	return &Applicant{key, &piv.Attestation{Slot: slot.Raw, Card: device.Certificate().Raw}}, nil
}

// CSR is a request, DER, that carries the nonce and the attestation.
func (a *Applicant) CSR(nonce enroll.Nonce) ([]byte, error) {
	template := &x509.CertificateRequest{}
	piv.AddAttestation(template, a.attestation)
	piv.AddNonce(template, nonce)
	return x509.CreateCertificateRequest(rand.Reader, template, a.Key)
}

// PEM is a CSR as the API takes it.
func PEM(csr []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))
}

// SerialOf is a certificate's serial number as the operator's commands take it.
func SerialOf(cert *x509.Certificate) string { return fmt.Sprintf("%040x", cert.SerialNumber) }
