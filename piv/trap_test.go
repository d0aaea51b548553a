package piv_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"signet/piv"
	"signet/piv/softcard"
)

// The certificates of these tests are made up, in the shape of real ones, where no real
// vector is public: they hang from a root of the tests' own.

// cardWith is a card whose f9 has these extensions of 41482.3 beside its firmware.
func cardWith(t *testing.T, fw softcard.Version, numbers ...int) *softcard.Device {
	t.Helper()
	d, err := theLab().root.NewDevice(4711, fw, func(c *x509.Certificate) {
		for _, n := range numbers {
			// The value is one that a YubiKey FIPS has; its presence says it.
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: yubico(n), Value: []byte{2, 1, 7}})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Made up: no CSPN card's attestation is public. In a CSR, .11 is the statement; in f9, CSPN.
func TestCSPNIsInTheCardsCertificate(t *testing.T) {
	a := attest(t, cardWith(t, softcard.Version{5, 4, 3}, 11), 0x9a, newKey(t).Public())
	s, err := theLab().roots().Verify(a, now)
	if err != nil || !s.CSPN || s.FIPS {
		t.Errorf("%+v, %v", s, err)
	}
	for _, values := range []map[int][]byte{{11: a.Slot, 2: a.Card}, {1: a.Slot, 2: a.Card}, {11: a.Card, 2: a.Slot}} {
		got, err := piv.AttestationFromCSR(carrying(t, values))
		if err != nil || !bytes.Equal(got.Slot, a.Slot) || !bytes.Equal(got.Card, a.Card) {
			t.Errorf("%v", err)
		}
	}
}

// Made up: the bits of a form factor.
func TestFormFactorsHighBits(t *testing.T) {
	l, key := theLab(), newKey(t)
	for form, want := range map[byte]piv.Statement{
		0x03: {FormFactor: 3}, 0x83: {FormFactor: 3, FIPS: true}, 0x43: {FormFactor: 3, SecurityKey: true}, 0xc1: {FormFactor: 1, FIPS: true, SecurityKey: true},
	} {
		s, err := l.roots().Verify(attest(t, l.device.WithFormFactor(form), 0x9a, key.Public()), now)
		if err != nil || s.FormFactor != want.FormFactor || s.FIPS != want.FIPS || s.SecurityKey != want.SecurityKey {
			t.Errorf("%02x: %+v, %v", form, s, err)
		}
	}
}

// Made up: a card whose statement claims other firmware than its maker wrote into f9, as
// whoever got an old card's attestation key out of it would.
func TestFirmwareThatLies(t *testing.T) {
	key := newKey(t)
	claims := func(v ...byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtraExtensions[0].Value = v }
	}
	for _, c := range []struct {
		made  softcard.Version
		claim []byte
		lies  bool
	}{
		{softcard.Version{5, 4, 3}, []byte{5, 4, 3}, false},
		{softcard.Version{5, 4, 3}, []byte{5, 7, 4}, true},
		{softcard.Version{5, 7, 4}, []byte{5, 4, 3}, true},
		{softcard.Version{5, 4, 2}, []byte{5, 4, 3}, true},
		{softcard.Version{4, 3, 4}, []byte{4, 3, 5}, false}, // as in yubikey-4.3.5-rsa.pem
		{softcard.Version{4, 3, 4}, []byte{4, 4, 5}, true},
		{softcard.Version{4, 3, 4}, []byte{5, 7, 4}, true},
	} {
		_, err := theLab().roots().Verify(attest(t, cardWith(t, c.made), 0x9a, key.Public(), claims(c.claim...)), now)
		if c.lies {
			wantRule(t, err, piv.RuleMatch)
		} else if err != nil {
			t.Errorf("%v, made for %v: %v", c.claim, c.made, err)
		}
	}
}

// Made up, but for those of three and four bytes, which the vectors have.
func TestSerialEncodings(t *testing.T) {
	l, key := theLab(), newKey(t)
	for _, c := range []struct {
		value []byte
		want  uint32
		ok    bool
	}{
		{[]byte{2, 3, 0x5b, 0x1a, 0x2e}, 5970478, true},
		{[]byte{2, 4, 0x00, 0xa0, 0xfc, 0x45}, 10550341, true},
		{[]byte{2, 4, 0x00, 0x00, 0x12, 0x67}, 4711, true}, // four bytes, though DER wants two
		{[]byte{2, 4, 0xff, 0x00, 0x00, 0x01}, 0xff000001, true},
		{[]byte{2, 5, 0x00, 0xff, 0x00, 0x00, 0x01}, 0xff000001, true},
		{[]byte{2, 1, 1}, 1, true},
		{[]byte{2, 5, 0x01, 0xff, 0x00, 0x00, 0x01}, 0, false},
		{[]byte{2, 3, 0xff, 0x00, 0x01}, 0, false},
		{[]byte{2, 0}, 0, false},
		{[]byte{4, 4, 1, 2, 3, 4}, 0, false},
		{[]byte{2, 4, 1, 2, 3}, 0, false},
	} {
		a := attest(t, l.device, 0x9a, key.Public(), func(cert *x509.Certificate) { cert.ExtraExtensions[1].Value = c.value })
		s, err := l.roots().Verify(a, now)
		if !c.ok {
			wantRule(t, err, piv.RuleForm)
		} else if err != nil || s.Serial != c.want {
			t.Errorf("% x: %+v, %v", c.value, s, err)
		}
	}
}

// Made up: the same values, in an OCTET STRING of their own.
func TestWrappedValues(t *testing.T) {
	l, key := theLab(), newKey(t)
	s, err := l.roots().Verify(attest(t, l.device, 0x9a, key.Public(), func(c *x509.Certificate) {
		c.ExtraExtensions[0].Value = []byte{4, 3, 5, 7, 1}
		c.ExtraExtensions[2].Value = []byte{4, 2, 3, 2}
		c.ExtraExtensions[3].Value = []byte{4, 1, 0x82}
	}), now)
	if err != nil || s.Firmware != (piv.Version{5, 7, 1}) || s.PINPolicy != piv.PINAlways || s.TouchPolicy != piv.TouchAlways || s.FormFactor != 2 || !s.FIPS {
		t.Errorf("%+v, %v", s, err)
	}
}

// f9 of the new root holds until 9999, that of the old one until 2052: both are fine for long, and
// refused beyond.
func TestFarDates(t *testing.T) {
	roots := piv.NewRoots()
	far := func(year int) time.Time { return time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC) }
	if _, err := roots.Verify(readAttestation(t, "csr-5.7.4-new-root.pem"), far(9998)); err != nil {
		t.Error(err)
	}
	if _, err := roots.Verify(readAttestation(t, "yubikey-5.4.3-fips.pem"), far(2051)); err != nil {
		t.Error(err)
	}
	_, err := roots.Verify(readAttestation(t, "yubikey-5.4.3-fips.pem"), far(2053))
	wantRule(t, err, piv.RuleDates)
	_, err = roots.Verify(readAttestation(t, "csr-5.7.4-new-root.pem"), far(2023))
	wantRule(t, err, piv.RuleDates)
}

// Made up: no OpenPGP attestation is public. One beneath a trusted PIV card's f9 even, which can't
// be, is none of a PIV key.
func TestOpenPGPStatement(t *testing.T) {
	l := theLab()
	a := attest(t, l.device, 0x9a, newKey(t).Public(), func(c *x509.Certificate) {
		c.Subject.CommonName = "YubiKey OPGP Attestation SIG"
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 5, 2}, Value: []byte{2, 1, 1}})
	})
	_, err := l.roots().Verify(a, now)
	wantRule(t, err, piv.RuleForm)
}

// Made up: an f9 that another CA than a PIV issuer signed, with all the marks of a PIV card, in the new
// root's shape: root, intermediate, FIDO's or OpenPGP's CA. The lab's root stands for Yubico's intermediate; what
// it signs directly is a card, what a CA beneath it signs is not.
func TestCardBeneathAnotherBranch(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	branch := cardWith(t, softcard.Version{5, 7, 4}) // a CA of path length 0, as a FIDO CA would be
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Yubico PIV Attestation"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(time.Hour), BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true}
	a := attest(t, branch, 0x9a, key.Public())
	parent, err := x509.ParseCertificate(a.Slot)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, newKey(t).Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = theLab().roots().Verify(&piv.Attestation{Slot: a.Slot, Card: der}, now)
	wantRule(t, err, piv.RuleRoot)
}

func TestReadEvidence(t *testing.T) {
	certs := read(t, "yubikey-5.4.3.pem")
	pemOf := func(certs ...*x509.Certificate) (out []byte) {
		for _, c := range certs {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		return out
	}
	extra := read(t, "fido-and-openpgp-cas.pem")
	for name, data := range map[string][]byte{
		"two": pemOf(certs...), "turned": pemOf(certs[1], certs[0]), "among others": pemOf(extra[1], certs[1], extra[0], certs[0]),
	} {
		e, err := piv.ReadEvidence(data)
		if err != nil || !bytes.Equal(e.Attestation.Slot, certs[0].Raw) || !bytes.Equal(e.Attestation.Card, certs[1].Raw) || e.CSR != nil || e.Same() != nil {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	for _, data := range [][]byte{nil, []byte("x"), pemOf(certs[0]), pemOf(certs[1]), pemOf(extra...), pemOf(read(t, "security-key-fido.pem")...)} {
		if _, err := piv.ReadEvidence(data); !errors.As(err, new(*piv.StatementError)) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzReadEvidence(f *testing.F) {
	names, err := filepath.Glob("../testdata/yubico/*.pem")
	if err != nil || len(names) == 0 {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := piv.ReadEvidence(data)
		if err != nil {
			return
		}
		_ = e.Same()
		_, _ = e.Attestation.Read()
	})
}
