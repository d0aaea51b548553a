package piv_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"

	"signet/piv"
)

func yubico(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, n}
}

// csrWith makes a CSR that carries these extensions.
func csrWith(t testing.TB, template x509.CertificateRequest) *x509.CertificateRequest {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func carrying(t testing.TB, values map[int][]byte) *x509.CertificateRequest {
	var template x509.CertificateRequest
	for n, v := range values {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: yubico(n), Value: v})
	}
	return csrWith(t, template)
}

// Clients differ in the extensions that they use; the content decides.
func TestAttestationFromCSR(t *testing.T) {
	a := attest(t, theLab().device, 0x9a, newKey(t).Public())
	var ours x509.CertificateRequest
	piv.AddAttestation(&ours, a)
	for name, csr := range map[string]*x509.CertificateRequest{
		"ours":         csrWith(t, ours),
		".1 and .2":    carrying(t, map[int][]byte{1: a.Slot, 2: a.Card}),
		".11 and .2":   carrying(t, map[int][]byte{11: a.Slot, 2: a.Card}),
		".1 is f9":     carrying(t, map[int][]byte{11: a.Slot, 1: a.Card}),
		"exchanged":    carrying(t, map[int][]byte{2: a.Slot, 11: a.Card}),
		"one of twice": carrying(t, map[int][]byte{1: a.Slot, 2: a.Card, 11: a.Slot}),
	} {
		got, err := piv.AttestationFromCSR(csr)
		if err != nil || !bytes.Equal(got.Slot, a.Slot) || !bytes.Equal(got.Card, a.Card) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestNoAttestationInCSR(t *testing.T) {
	a := attest(t, theLab().device, 0x9a, newKey(t).Public())
	b := attest(t, theLab().device, 0x9a, newKey(t).Public())
	_, err := piv.AttestationFromCSR(carrying(t, nil))
	if !errors.Is(err, piv.ErrNoAttestation) {
		t.Errorf("nothing: %v", err)
	}
	for name, values := range map[string]map[int][]byte{
		"no card": {11: a.Slot}, "no statement": {2: a.Card}, "rubbish": {1: []byte("x"), 2: a.Card},
		"two statements": {1: a.Slot, 11: b.Slot, 2: a.Card}, "CSPN alone": {11: {0x05, 0x00}},
		"long": {1: make([]byte, 5000), 2: a.Card}, "empty": {1: {}},
	} {
		_, err := piv.AttestationFromCSR(carrying(t, values))
		t.Run(name, func(t *testing.T) { wantRule(t, err, piv.RuleForm) })
	}
}

func TestNonce(t *testing.T) {
	var template x509.CertificateRequest
	if _, ok := piv.NonceFromCSR(csrWith(t, template)); ok {
		t.Error("a nonce from nowhere")
	}
	piv.AddNonce(&template, []byte("nonce"))
	if got, ok := piv.NonceFromCSR(csrWith(t, template)); !ok || string(got) != "nonce" {
		t.Errorf("%q, %v", got, ok)
	}
	oid := template.ExtraExtensions[0].Id
	for name, value := range map[string][]byte{"empty": {4, 0}, "rubbish": {1, 2, 3}, "trailing": {4, 1, 0, 0}, "long": make([]byte, 300)} {
		bad := x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: oid, Value: value}}}
		if got, ok := piv.NonceFromCSR(csrWith(t, bad)); ok {
			t.Errorf("%s: %x", name, got)
		}
	}
}

// FuzzAttestation reads a CSR and both certificates from foreign bytes: whatever
// they are, nothing panics, and nothing is proved without the lab's root.
func FuzzAttestation(f *testing.F) {
	l, key := theLab(), newKey(f)
	a := attest(f, l.device, 0x9a, key.Public())
	f.Add(a.Slot, a.Card)
	for _, name := range []string{"yubikey-5.4.3.pem", "yubikey-4.3.7-u2f-root.pem"} {
		certs := read(f, name)
		f.Add(certs[0].Raw, certs[1].Raw)
	}
	f.Add([]byte{}, []byte{0x30, 0x00})
	known := map[string]bool{string(a.Slot): true, string(read(f, "yubikey-5.4.3.pem")[0].Raw): true}
	roots := l.roots()
	f.Fuzz(func(t *testing.T, slot, card []byte) {
		st, err := roots.Verify(&piv.Attestation{Slot: slot, Card: card}, now)
		if err == nil && !known[string(slot)] {
			t.Errorf("proved out of thin air: %+v", st)
		}
		if err != nil && !errors.As(err, new(*piv.StatementError)) {
			t.Errorf("no StatementError: %v", err)
		}
		csr := &x509.CertificateRequest{Extensions: []pkix.Extension{
			{Id: yubico(11), Value: slot}, {Id: yubico(2), Value: card}, {Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 7}, Value: slot}}}
		_, _ = piv.AttestationFromCSR(csr)
		_, _ = piv.NonceFromCSR(csr)
	})
}

// What stands for the card's certificate is read by whoever verifies it, at the latest.
func TestRubbishForACard(t *testing.T) {
	a := attest(t, theLab().device, 0x9a, newKey(t).Public())
	for _, rubbish := range [][]byte{[]byte("x"), append(bytes.Clone(a.Card), 0)} {
		got, err := piv.AttestationFromCSR(carrying(t, map[int][]byte{11: a.Slot, 2: rubbish}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = theLab().roots().Verify(got, now)
		wantRule(t, err, piv.RuleForm)
		_, err = got.Read()
		wantRule(t, err, piv.RuleForm)
	}
}
