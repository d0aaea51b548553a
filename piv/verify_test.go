package piv_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"signet/internal/certfile"
	"signet/piv"
	"signet/piv/softcard"
)

var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func read(t testing.TB, name string) []*x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "yubico", name))
	if err != nil {
		t.Fatal(err)
	}
	certs, err := certfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

func attestation(certs []*x509.Certificate) *piv.Attestation {
	return &piv.Attestation{Slot: certs[0].Raw, Card: certs[1].Raw}
}

// wantRule fails unless err is the refusal by that rule.
func wantRule(t *testing.T, err error, rule string) {
	t.Helper()
	var refused *piv.StatementError
	if !errors.As(err, &refused) || refused.Rule != rule || refused.Reason == "" {
		t.Errorf("got %v, want a refusal by %s", err, rule)
	}
}

func TestARealYubiKey(t *testing.T) {
	roots := piv.NewRoots()
	certs := read(t, "yubikey-5.4.3.pem")
	for range 2 { // the second time, the card is remembered
		s, err := roots.Verify(attestation(certs), now)
		if err != nil {
			t.Fatal(err)
		}
		want := piv.Statement{Slot: piv.SlotAuthentication, Serial: 15732500, Firmware: piv.Version{5, 4, 3},
			PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever, FormFactor: 4, CardFirmware: piv.Version{5, 4, 3}, Root: "CN=Yubico PIV Root CA Serial 263751"}
		got := *s
		if !got.Public.(*ecdsa.PublicKey).Equal(certs[0].PublicKey) {
			t.Error("another key")
		}
		got.Public = nil
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	other := read(t, "yubikey-4.3.7-u2f-root.pem")
	_, err := roots.Verify(&piv.Attestation{Slot: other[0].Raw, Card: certs[1].Raw}, now)
	wantRule(t, err, piv.RuleSignature)
	for _, at := range []time.Time{time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2053, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, err := roots.Verify(attestation(certs), at)
		wantRule(t, err, piv.RuleDates)
	}
}

// Some YubiKey 4 have an f9 certificate without BasicConstraints, beneath a root
// that is not shipped.
func TestAForgivenYubiKey(t *testing.T) {
	certs := read(t, "yubikey-4.3.7-u2f-root.pem")
	_, err := piv.NewRoots().Verify(attestation(certs), now)
	wantRule(t, err, piv.RuleRoot)
	u2f := read(t, "fido-and-openpgp-cas.pem")[0]
	s, err := piv.NewRoots(u2f).Verify(attestation(certs), now)
	if err != nil || s.Firmware != (piv.Version{4, 3, 7}) || s.Serial != 0 {
		t.Errorf("with the U2F root added: %+v, %v", s, err)
	}
}

// The new root signs more than PIV: what stands beneath its other branches proves nothing.
func TestOtherBranches(t *testing.T) {
	roots := piv.NewRoots()
	slot := read(t, "yubikey-5.4.3.pem")[0]
	for _, ca := range read(t, "fido-and-openpgp-cas.pem")[1:] {
		_, err := roots.Verify(&piv.Attestation{Slot: slot.Raw, Card: ca.Raw}, now)
		wantRule(t, err, piv.RuleIssuer)
	}
}

// A lab has a root of software cards, and one card.
type lab struct {
	root   *softcard.Root
	device *softcard.Device
}

var theLab = sync.OnceValue(func() lab {
	root, err := softcard.NewRoot()
	if err != nil {
		panic(err)
	}
	device, err := root.NewDevice(4711, softcard.Version{5, 7, 1})
	if err != nil {
		panic(err)
	}
	return lab{root, device}
})

func (l lab) roots() *piv.Roots { return piv.NewRoots(l.root.Certificate()) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func attest(t testing.TB, d *softcard.Device, slot byte, pub crypto.PublicKey, alter ...func(*x509.Certificate)) *piv.Attestation {
	t.Helper()
	cert, err := d.Attest(slot, pub, softcard.PINAlways, softcard.TouchCached, alter...)
	if err != nil {
		t.Fatal(err)
	}
	return &piv.Attestation{Slot: cert.Raw, Card: d.Certificate().Raw}
}

func TestSoftwareCard(t *testing.T) {
	l, key := theLab(), newKey(t)
	a := attest(t, l.device.WithFormFactor(0x83), 0x9c, key.Public())
	s, err := l.roots().Verify(a, now)
	if err != nil {
		t.Fatal(err)
	}
	if s.Slot != piv.SlotSignature || s.Serial != 4711 || s.PINPolicy != piv.PINAlways || s.TouchPolicy != piv.TouchCached ||
		s.FormFactor != 3 || s.Firmware != (piv.Version{5, 7, 1}) || !key.PublicKey.Equal(s.Public) {
		t.Errorf("%+v", s)
	}
	_, err = piv.NewRoots().Verify(a, now)
	wantRule(t, err, piv.RuleRoot)
	other, err := softcard.NewRoot()
	if err != nil {
		t.Fatal(err)
	}
	_, err = piv.NewRoots(other.Certificate()).Verify(a, now)
	wantRule(t, err, piv.RuleRoot)
}

// alterations of a slot's certificate that a genuine card would never sign, but
// that must be found out all the same.
var alterations = map[string]func(*x509.Certificate){
	"no firmware":       func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[1:] },
	"short firmware":    func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte{5, 7} },
	"long serial":       func(c *x509.Certificate) { c.ExtraExtensions[1].Value, _ = asn1.Marshal(int64(1) << 40) },
	"negative serial":   func(c *x509.Certificate) { c.ExtraExtensions[1].Value, _ = asn1.Marshal(-1) },
	"serial and more":   func(c *x509.Certificate) { c.ExtraExtensions[1].Value = append(c.ExtraExtensions[1].Value, 0) },
	"no policy":         func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions[:2:2], c.ExtraExtensions[3]) },
	"long policy":       func(c *x509.Certificate) { c.ExtraExtensions[2].Value = []byte{1, 1, 1} },
	"empty form factor": func(c *x509.Certificate) { c.ExtraExtensions[3].Value = nil },
	"slot f9":           func(c *x509.Certificate) { c.Subject.CommonName = "YubiKey PIV Attestation f9" },
	"slot 9A":           func(c *x509.Certificate) { c.Subject.CommonName = "YubiKey PIV Attestation 9a " },
	"another name":      func(c *x509.Certificate) { c.Subject.CommonName = "Yubico U2F EE Serial 1" },
	"a CA":              func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true },
	"critical extension": func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
	},
}

func TestAlteredStatements(t *testing.T) {
	l, key := theLab(), newKey(t)
	for name, alter := range alterations {
		t.Run(name, func(t *testing.T) {
			_, err := l.roots().Verify(attest(t, l.device, 0x9a, key.Public(), alter), now)
			wantRule(t, err, piv.RuleForm)
		})
	}
}

// The attack that the forgiving of BasicConstraints opens: a genuine statement about a key
// that its holder can use acts as f9 above a forged one.
func TestAStatementIsNoCard(t *testing.T) {
	l, key := theLab(), newKey(t)
	genuine := attest(t, l.device, 0x9a, key.Public())
	issuer, err := x509.ParseCertificate(genuine.Slot)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: issuer.NotBefore, NotAfter: issuer.NotAfter,
		Subject: pkix.Name{CommonName: "YubiKey PIV Attestation 9a"}, ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 3}, Value: []byte{5, 7, 1}},
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8}, Value: []byte{2, 1}}}}
	forged, err := x509.CreateCertificate(rand.Reader, template, issuer, newKey(t).Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.roots().Verify(&piv.Attestation{Slot: forged, Card: genuine.Slot}, now)
	wantRule(t, err, piv.RuleRoot)
	// Nor may the card's own be trusted by being named a root.
	_, err = piv.NewRoots(l.device.Certificate()).Verify(genuine, now)
	wantRule(t, err, piv.RuleIssuer)
}

func TestForgivenOnlyUnderYubico(t *testing.T) {
	l, key := theLab(), newKey(t)
	bare, err := l.root.NewDevice(1, softcard.Version{4, 3, 7}, func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = false, false })
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.roots().Verify(attest(t, bare, 0x9a, key.Public()), now)
	wantRule(t, err, piv.RuleForm)
	expired, err := l.root.NewDevice(1, softcard.Version{4, 3, 7}, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.roots().Verify(attest(t, expired, 0x9a, key.Public()), now)
	wantRule(t, err, piv.RuleDates)
}

func TestRubbish(t *testing.T) {
	l := theLab()
	good := attest(t, l.device, 0x9a, newKey(t).Public())
	for name, a := range map[string]*piv.Attestation{
		"nil": nil, "empty": {}, "no card": {Slot: good.Slot}, "rubbish": {Slot: []byte("x"), Card: good.Card},
		"long": {Slot: good.Slot, Card: make([]byte, 1<<20)}, "trailing": {Slot: append(good.Slot[:len(good.Slot):len(good.Slot)], 0), Card: good.Card},
	} {
		_, err := l.roots().Verify(a, now)
		if !errors.As(err, new(*piv.StatementError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A signature that isn't the card's.
	torn := append([]byte(nil), good.Slot...)
	torn[len(torn)-1] ^= 1
	_, err := l.roots().Verify(&piv.Attestation{Slot: torn, Card: good.Card}, now)
	wantRule(t, err, piv.RuleSignature)
}

func BenchmarkVerify(b *testing.B) {
	l := theLab()
	a, roots := attest(b, l.device, 0x9a, newKey(b).Public()), l.roots()
	for b.Loop() {
		if _, err := roots.Verify(a, now); err != nil {
			b.Fatal(err)
		}
	}
}
