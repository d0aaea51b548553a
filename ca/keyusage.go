package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
)

// keyEstablishment is either bit: which of the two is right, the kind of key says.
const keyEstablishment = x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement

// keyUsageNames are what a profile can name, as RFC 5280, Section 4.2.1.3 has it.
// nonRepudiation is what contentCommitment was called before.
var keyUsageNames = map[string]x509.KeyUsage{
	"digitalSignature":  x509.KeyUsageDigitalSignature,
	"contentCommitment": x509.KeyUsageContentCommitment,
	"nonRepudiation":    x509.KeyUsageContentCommitment,
	"keyEncipherment":   keyEstablishment,
	"keyAgreement":      keyEstablishment,
}

// parseKeyUsages reads names; none is 0, which [Profile.keyUsageFor] takes for its default.
func parseKeyUsages(texts []string) (usage x509.KeyUsage, err error) {
	for i, text := range texts {
		if slices.Contains(texts[:i], text) {
			return 0, fmt.Errorf("key_usages: %s is there twice", text)
		}
		bits, ok := keyUsageNames[text]
		if !ok {
			return 0, fmt.Errorf("%q is no key usage for people's certificates; digitalSignature, contentCommitment, "+
				"and keyEncipherment or keyAgreement are", text)
		}
		usage |= bits
	}
	return usage, nil
}

// consistency is which key usages make sense beside an extended one: RFC 5280, Section
// 4.2.1.12, and RFC 9336, Section 3.1. Without wanted, the extended one could not be used:
// TLS clients (RFC 8446, Section 4.4.2.2) and Kerberos' sign.
var consistency = map[string]struct{ wanted, allowed x509.KeyUsage }{
	"clientAuth":      {x509.KeyUsageDigitalSignature, x509.KeyUsageDigitalSignature},
	"codeSigning":     {x509.KeyUsageDigitalSignature, x509.KeyUsageDigitalSignature},
	"smartcardLogon":  {x509.KeyUsageDigitalSignature, x509.KeyUsageDigitalSignature | keyEstablishment},
	"pkinitClient":    {x509.KeyUsageDigitalSignature, x509.KeyUsageDigitalSignature | keyEstablishment},
	"emailProtection": {0, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | keyEstablishment},
	"documentSigning": {0, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment},
}

// checkKeyUsages refuses key usages that could serve none of the purposes, or not with
// the kinds of key.
func checkKeyUsages(usage x509.KeyUsage, purposes []asn1.ObjectIdentifier, algorithms []string) error {
	if usage == 0 {
		return nil
	}
	var served x509.KeyUsage
	for _, oid := range purposes {
		name, rule, known := consistencyOf(oid)
		if !known {
			served |= usage
			continue
		}
		if rule.wanted&^usage != 0 {
			return fmt.Errorf("key_usages: %s needs digitalSignature", name)
		}
		if rule.allowed&usage == 0 {
			return fmt.Errorf("key_usages: none of %s is for %s", keyUsageText(usage), name)
		}
		served |= rule.allowed
	}
	if rest := usage &^ served; rest != 0 {
		return fmt.Errorf("key_usages: %s is for none of the ext_key_usages; emailProtection would do", keyUsageText(rest))
	}
	// RFC 8410, Section 5: an Ed25519 key signs and does nothing else.
	if usage&keyEstablishment != 0 && slices.Contains(algorithms, "Ed25519") {
		return fmt.Errorf("key_usages: %s is not for Ed25519 keys, which only sign: leave Ed25519 out of key_algorithms", keyUsageText(keyEstablishment))
	}
	return nil
}

func consistencyOf(oid asn1.ObjectIdentifier) (name string, rule struct{ wanted, allowed x509.KeyUsage }, known bool) {
	for name, rule := range consistency {
		if usageNames[name].Equal(oid) {
			return name, rule, true
		}
	}
	return "", rule, false
}

func keyUsageText(usage x509.KeyUsage) string {
	var names []string
	for _, n := range []struct {
		name string
		bits x509.KeyUsage
	}{{"digitalSignature", x509.KeyUsageDigitalSignature}, {"contentCommitment", x509.KeyUsageContentCommitment}, {"keyEncipherment", keyEstablishment}} {
		if usage&n.bits != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

// keyUsageFor is the key usage of a certificate for pub: what the profile names, or what
// fits its purposes. A signature proves a client or server to the other side; where the
// profile says nothing, only mail is ever encrypted to a certificate.
func (p *Profile) keyUsageFor(pub crypto.PublicKey) x509.KeyUsage {
	usage := p.keyUsages
	if usage == 0 {
		usage = x509.KeyUsageDigitalSignature
		if slices.ContainsFunc(p.usages, oidEmailProtection.Equal) {
			usage |= keyEstablishment
		}
	}
	switch pub.(type) {
	case *rsa.PublicKey: // RFC 8551, Section 2.3: key encipherment
		return usage &^ x509.KeyUsageKeyAgreement
	case *ecdsa.PublicKey: // RFC 5480, Section 3, and RFC 8813, Section 3: key agreement alone
		return usage &^ x509.KeyUsageKeyEncipherment
	}
	return usage &^ keyEstablishment
}
