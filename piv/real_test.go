package piv_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signet/internal/certfile"
	"signet/piv"
)

const (
	oldRoot = "CN=Yubico PIV Root CA Serial 263751"
	newRoot = "CN=Yubico Attestation Root 1"
)

// realCards are the vectors of testdata/yubico, each of another kind of card.
var realCards = map[string]piv.Statement{
	// f9 lacks BasicConstraints and was made for 4.3.4; a serial number of three bytes.
	"yubikey-4.3.5-rsa.pem": {Slot: 0x9a, Serial: 5970478, Firmware: piv.Version{4, 3, 5}, PINPolicy: piv.PINAlways,
		TouchPolicy: piv.TouchNever, CardFirmware: piv.Version{4, 3, 4}, Root: oldRoot},
	// A YubiKey 4 FIPS has no form factor: f9 alone says FIPS.
	"yubikey-4.4.5-fips.pem": {Slot: 0x9c, Serial: 10550341, Firmware: piv.Version{4, 4, 5}, PINPolicy: piv.PINAlways,
		TouchPolicy: piv.TouchAlways, FIPS: true, CardFirmware: piv.Version{4, 4, 5}, Root: oldRoot},
	"yubikey-5.4.3-fips.pem": {Slot: 0x9c, Serial: 28751259, Firmware: piv.Version{5, 4, 3}, PINPolicy: piv.PINAlways,
		TouchPolicy: piv.TouchNever, FormFactor: 3, FIPS: true, CardFirmware: piv.Version{5, 4, 3}, Root: oldRoot},
	// A YubiKey Bio, multi-protocol.
	"csr-5.7.2-bio.pem": {Slot: 0x9a, Serial: 30000948, Firmware: piv.Version{5, 7, 2}, PINPolicy: piv.PINOnce,
		TouchPolicy: piv.TouchNever, FormFactor: 7, CardFirmware: piv.Version{5, 7, 2}, Root: oldRoot},
	"csr-5.7.4-new-root.pem": {Slot: 0x9a, Serial: 33064031, Firmware: piv.Version{5, 7, 4}, PINPolicy: piv.PINOnce,
		TouchPolicy: piv.TouchCached, FormFactor: 3, CardFirmware: piv.Version{5, 7, 4}, Root: newRoot},
	"yubikey-5.7.4-nano.pem": {Slot: 0x9a, Serial: 32718477, Firmware: piv.Version{5, 7, 4}, PINPolicy: piv.PINAlways,
		TouchPolicy: piv.TouchNever, FormFactor: 4, CardFirmware: piv.Version{5, 7, 4}, Root: newRoot},
	// f9's signature algorithm has no NULL parameters, against RFC 4055, Section 5; f9's
	// subject is that of older cards.
	"yubikey-5.7.4-no-null.pem": {Slot: 0x9c, Serial: 38906121, Firmware: piv.Version{5, 7, 4}, PINPolicy: piv.PINAlways,
		TouchPolicy: piv.TouchAlways, FormFactor: 3, CardFirmware: piv.Version{5, 7, 4}, Root: newRoot},
}

// readAttestation reads two certificates, or a CSR that carries them.
func readAttestation(t testing.TB, name string) *piv.Attestation {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "yubico", name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block.Type == "CERTIFICATE" {
		return attestation(read(t, name))
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	a, err := piv.AttestationFromCSR(csr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRealYubiKeys(t *testing.T) {
	roots := piv.NewRoots()
	for name, want := range realCards {
		t.Run(name, func(t *testing.T) {
			a := readAttestation(t, name)
			s, err := roots.Verify(a, now)
			if err != nil {
				t.Fatal(err)
			}
			if s.Public == nil {
				t.Error("no key")
			}
			if s.Public = nil; *s != want {
				t.Errorf("got  %+v\nwant %+v", *s, want)
			}
			// Read says the same, but for who vouches for it.
			shown, err := a.Read()
			if err != nil {
				t.Fatal(err)
			}
			if shown.Public, shown.Root = nil, want.Root; *shown != want {
				t.Errorf("Read: got %+v", *shown)
			}
		})
	}
}

// The chain is complete: each certificate is signed by the next, the last by itself.
func TestChain(t *testing.T) {
	for name, length := range map[string]int{"yubikey-5.4.3-fips.pem": 3, "csr-5.7.4-new-root.pem": 5} {
		chain, err := piv.NewRoots().Chain(readAttestation(t, name), now)
		if err != nil || len(chain) != length {
			t.Fatalf("%s: %d certificates, %v", name, len(chain), err)
		}
		for i, c := range chain {
			issuer := chain[min(i+1, len(chain)-1)]
			if err := issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
				t.Errorf("%s: certificate %d: %v", name, i, err)
			}
		}
	}
	_, err := piv.NewRoots().Chain(attestation(read(t, "yubikey-4.3.7-u2f-root.pem")), now)
	wantRule(t, err, piv.RuleRoot)
}

// The issuers that are shipped are Yubico's, whoever the files are from: each is signed by the one
// above it, up to the root.
func TestShippedIssuers(t *testing.T) {
	data, err := os.ReadFile("roots/yubico-piv-intermediates.pem")
	if err != nil {
		t.Fatal(err)
	}
	certs, err := certfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile("roots/yubico-ca-1.pem")
	if err != nil {
		t.Fatal(err)
	}
	anchors, between := x509.NewCertPool(), x509.NewCertPool()
	anchors.AppendCertsFromPEM(root)
	issuers := 0
	for _, c := range certs {
		between.AddCert(c)
	}
	for _, c := range certs {
		if _, err := c.Verify(x509.VerifyOptions{Roots: anchors, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Errorf("%s: %v", c.Subject, err)
		}
		if strings.HasPrefix(c.Subject.CommonName, "Yubico PIV Attestation ") && c.MaxPathLen == 1 {
			issuers++
		}
	}
	if issuers != 3 || len(certs) != 5 {
		t.Errorf("%d of %d certificates are PIV issuers", issuers, len(certs))
	}
}

// Cards of a batch share f9: a statement of one card stands with the f9 that
// another of its batch sent, and proves its own serial number all the same.
func TestOneBatch(t *testing.T) {
	nano, other := readAttestation(t, "yubikey-5.7.4-nano.pem"), readAttestation(t, "csr-5.7.4-new-root.pem")
	if !slices.Equal(nano.Card, other.Card) {
		t.Fatal("the vectors are not of one batch")
	}
	s, err := piv.NewRoots().Verify(&piv.Attestation{Slot: nano.Slot, Card: other.Card}, now)
	if err != nil || s.Serial != 32718477 {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = piv.NewRoots().Verify(&piv.Attestation{Slot: nano.Slot, Card: readAttestation(t, "yubikey-5.7.4-no-null.pem").Card}, now)
	wantRule(t, err, piv.RuleSignature)
}

// A Security Key's FIDO attestation is genuine, and of no use: not as a statement, not
// as a card's certificate, even where its root is trusted.
func TestSecurityKeysFIDO(t *testing.T) {
	fido := read(t, "security-key-fido.pem")[0]
	u2f := read(t, "fido-and-openpgp-cas.pem")[0]
	good := readAttestation(t, "yubikey-5.4.3-fips.pem")
	roots := piv.NewRoots(u2f)
	_, err := roots.Verify(&piv.Attestation{Slot: fido.Raw, Card: u2f.Raw}, now)
	wantRule(t, err, piv.RuleIssuer)
	_, err = roots.Verify(&piv.Attestation{Slot: fido.Raw, Card: good.Card}, now)
	wantRule(t, err, piv.RuleSignature)
	_, err = roots.Verify(&piv.Attestation{Slot: good.Slot, Card: fido.Raw}, now)
	wantRule(t, err, piv.RuleForm)
	_, err = piv.ReadStatement(fido)
	wantRule(t, err, piv.RuleForm)
}
