package piv

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
)

// ErrNoAttestation is a CSR that carries none.
var ErrNoAttestation = errors.New("the request carries no attestation")

// The extensions that carry an attestation in a CSR. Clients differ in which
// they use, and inside a statement .11 is CSPN: what is in them decides.
var (
	oidStatement    = yubicoOID(1)
	oidStatementToo = yubicoOID(11)
	oidCard         = yubicoOID(2)
)

// AttestationFromCSR finds the attestation that csr carries, not verified:
// [ErrNoAttestation] where there is none, a *[StatementError] where it can't be told
// what is which.
func AttestationFromCSR(csr *x509.CertificateRequest) (*Attestation, error) {
	var a Attestation
	for _, e := range csr.Extensions {
		if !e.Id.Equal(oidStatement) && !e.Id.Equal(oidStatementToo) && !e.Id.Equal(oidCard) {
			continue
		}
		if err := a.take(e.Value); err != nil {
			return nil, err
		}
	}
	switch {
	case a.Slot == nil && a.Card == nil:
		return nil, ErrNoAttestation
	case a.Slot == nil:
		return nil, refuse(RuleForm, "the attestation lacks the slot's certificate")
	case a.Card == nil:
		return nil, refuse(RuleForm, "the attestation lacks the card's own certificate (slot f9)")
	}
	return &a, nil
}

// policyOID is oidPolicy in DER: a certificate without these octets states no policy.
var policyOID = []byte{0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03, 0x08}

// take puts a certificate where it belongs: only a slot's states a policy. The
// same one twice is let pass, since some clients send it under both numbers. The card's
// is not parsed: whoever verifies may know it.
func (a *Attestation) take(der []byte) error {
	if err := bounded(der); err != nil {
		return err
	}
	place := &a.Card
	if bytes.Contains(der, policyOID) {
		cert, err := parseBounded(der)
		if err != nil {
			return err
		}
		if _, ok := extension(cert.Extensions, oidPolicy); ok {
			place, a.parsed = &a.Slot, cert
		}
	}
	if *place != nil && !bytes.Equal(*place, der) {
		return refuse(RuleForm, "the request carries two attestations")
	}
	*place = der
	return nil
}

// AddAttestation has the CSR made from template carry a: the slot's certificate
// as extension 1.3.6.1.4.1.41482.3.11, the card's as .2.
func AddAttestation(template *x509.CertificateRequest, a *Attestation) {
	add := func(oid asn1.ObjectIdentifier, der []byte) {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oid, Value: der})
	}
	add(oidStatementToo, a.Slot)
	add(oidCard, a.Card)
}
