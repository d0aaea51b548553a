package piv

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

// Evidence is an attestation as somebody keeps it in a file.
type Evidence struct {
	Attestation *Attestation
	// CSR is the request that carried it; nil where it came as certificates.
	CSR *x509.CertificateRequest
}

// maxEvidence bounds the blocks of a file.
const maxEvidence = 32

// ReadEvidence reads an attestation out of PEM: a CSR that carries one, or the slot's
// certificate and the card's own among others, in any order. It verifies nothing. It fails
// with [ErrNoAttestation] where a CSR carries none, or a *[StatementError].
func ReadEvidence(data []byte) (*Evidence, error) {
	var certs []*x509.Certificate
	for n := 0; n < maxEvidence; n++ {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
			return evidenceOf(block.Bytes)
		case "CERTIFICATE":
			c, err := parseBounded(block.Bytes)
			if err != nil {
				return nil, err
			}
			certs = append(certs, c)
		}
	}
	a, err := attestationAmong(certs)
	if err != nil {
		return nil, err
	}
	return &Evidence{Attestation: a}, nil
}

func evidenceOf(der []byte) (*Evidence, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, refuse(RuleForm, "the request is malformed: %v", err)
	}
	a, err := AttestationFromCSR(csr)
	if err != nil {
		return nil, err
	}
	return &Evidence{Attestation: a, CSR: csr}, nil
}

// attestationAmong finds the slot's certificate, which alone states a policy, and
// the one that its issuer's name is of.
func attestationAmong(certs []*x509.Certificate) (*Attestation, error) {
	for _, slot := range certs {
		if _, ok := extension(slot.Extensions, oidPolicy); !ok {
			continue
		}
		for _, card := range certs {
			if card != slot && bytes.Equal(card.RawSubject, slot.RawIssuer) {
				return &Attestation{Slot: slot.Raw, Card: card.Raw, parsed: slot}, nil
			}
		}
		return nil, refuse(RuleForm, "the card's own certificate (slot f9) is not with the slot's")
	}
	for _, c := range certs {
		if kind := otherKind(c); kind != "" {
			return nil, refuse(RuleForm, "this is %s, which states nothing of a PIV key", kind)
		}
	}
	return nil, refuse(RuleForm, "there is no attestation of a PIV slot in it")
}

// otherKind names an attestation of another application of a YubiKey, "" for none. FIDO's have the
// FIDO Alliance's extension, OpenPGP's are of Yubico's arc 41482.5.
func otherKind(c *x509.Certificate) string {
	for _, e := range c.Extensions {
		id := e.Id.String()
		switch {
		case strings.HasPrefix(id, "1.3.6.1.4.1.45724."):
			return "a FIDO attestation"
		case strings.HasPrefix(id, "1.3.6.1.4.1.41482.5."):
			return "an attestation of an OpenPGP key"
		}
	}
	return ""
}

// Same reports whether the request is for the attested key, and signed by it: nil
// where it is, or where there is no request.
func (e *Evidence) Same() error {
	if e.CSR == nil {
		return nil
	}
	slot, err := e.Attestation.slot()
	if err != nil {
		return err
	}
	if !bytes.Equal(slot.RawSubjectPublicKeyInfo, e.CSR.RawSubjectPublicKeyInfo) {
		return errors.New("the request is for another key than the attested one: the statement is of no use to it")
	}
	if err := e.CSR.CheckSignature(); err != nil {
		return errors.New("the request is not signed by its key")
	}
	return nil
}
