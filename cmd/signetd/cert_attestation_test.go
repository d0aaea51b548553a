package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/internal/certfile"
	"signet/piv"
	"signet/piv/softcard"
)

// anAuditor has a CA and what it issued for a statement's key.
type anAuditor struct {
	root, issuer *x509.Certificate
	key          *ecdsa.PrivateKey
	at           time.Time
}

func newAuditor(t *testing.T) *anAuditor {
	t.Helper()
	a := &anAuditor{at: time.Now().Truncate(time.Second)}
	issue := func(name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, NotBefore: a.at.Add(-time.Hour),
			NotAfter: a.at.Add(time.Hour), BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
		if parent == nil {
			parent, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		c, err = x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	var rootKey *ecdsa.PrivateKey
	a.root, rootKey = issue("Root", nil, nil)
	a.issuer, a.key = issue("Intermediate", a.root, rootKey)
	return a
}

// evidence is what the server would answer for a certificate of the attested key.
func (a *anAuditor) evidence(t *testing.T, roots *piv.Roots, at *piv.Attestation) *evidence {
	t.Helper()
	chain, err := roots.Chain(at, a.at)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "alice"},
		NotBefore: a.at.Add(-time.Minute), NotAfter: a.at.Add(time.Minute)}, a.issuer, chain[0].PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c := ca.Certificate{DER: der, IssuedAt: a.at, Card: &ca.Card{Attestation: [][]byte{at.Slot, at.Card}}}
	return &evidence{Certificate: certificateOf(c, a.at), CA: [][]byte{a.issuer.Raw, a.root.Raw}, Chain: rawOf(chain)}
}

func verify(t *testing.T, dir string) (string, error) {
	t.Helper()
	out, err := exec.Command("sh", filepath.Join(dir, "verify.sh")).CombinedOutput()
	return string(out), err
}

func realAttestation(t *testing.T, name string) *piv.Attestation {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "yubico", name))
	if err != nil {
		t.Fatal(err)
	}
	e, err := piv.ReadEvidence(data)
	if err != nil {
		t.Fatal(err)
	}
	return e.Attestation
}

// An auditor with openssl comes to the same end as we do, for every kind of card; on another day, too.
func TestAuditorVerifiesWithOpenSSL(t *testing.T) {
	a, roots := newAuditor(t), piv.NewRoots()
	a.at = a.at.Add(-30 * time.Minute)
	for _, name := range []string{"yubikey-4.3.5-rsa.pem", "yubikey-4.4.5-fips.pem", "yubikey-5.4.3.pem", "yubikey-5.4.3-fips.pem",
		"csr-5.7.2-bio.pem", "csr-5.7.4-new-root.pem", "yubikey-5.7.4-nano.pem", "yubikey-5.7.4-no-null.pem"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "evidence")
			if err := a.evidence(t, roots, realAttestation(t, name)).write(dir); err != nil {
				t.Fatal(err)
			}
			out, err := verify(t, dir)
			if err != nil || !strings.Contains(out, "\nPROVED") || !strings.Contains(out, "41482.3.8") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// A root of one's own, with elliptic curves where Yubico has RSA.
func TestAuditorVerifiesAnotherRoot(t *testing.T) {
	root, err := softcard.NewRoot()
	if err != nil {
		t.Fatal(err)
	}
	device, err := root.NewDevice(4711, softcard.Version{5, 7, 1})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.GenerateKey("P-384")
	if err != nil {
		t.Fatal(err)
	}
	slot, err := device.Attest(0x9a, key.Public(), softcard.PINOnce, softcard.TouchNever)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	at := &piv.Attestation{Slot: slot.Raw, Card: device.Certificate().Raw}
	if err := newAuditor(t).evidence(t, piv.NewRoots(root.Certificate()), at).write(dir); err != nil {
		t.Fatal(err)
	}
	if out, err := verify(t, dir); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Each piece of the evidence exchanged for another's is found out.
func TestAuditorFindsOut(t *testing.T) {
	a, roots := newAuditor(t), piv.NewRoots()
	good := a.evidence(t, roots, realAttestation(t, "csr-5.7.4-new-root.pem"))
	other := a.evidence(t, roots, realAttestation(t, "yubikey-5.4.3-fips.pem"))
	batch := a.evidence(t, roots, realAttestation(t, "yubikey-5.7.4-nano.pem"))
	stranger := newAuditor(t).evidence(t, roots, realAttestation(t, "csr-5.7.4-new-root.pem"))
	for want, c := range map[string]struct {
		from *evidence
		file string
	}{
		"another key":                     {batch, "statement.pem"},
		"not this CA's":                   {stranger, "certificate.pem"},
		"another card made":               {other, "card.pem"},
		"the maker did not":               {other, "maker-root.pem"},
		"card's certificate did not sign": {nil, "statement.pem"},
	} {
		t.Run(want, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "evidence")
			if err := good.write(dir); err != nil {
				t.Fatal(err)
			}
			var data []byte
			if c.from == nil {
				torn := append([]byte(nil), good.Chain[0]...)
				torn[len(torn)-1] ^= 1
				data = certfile.Encode(torn)
			} else {
				files, err := c.from.files()
				if err != nil {
					t.Fatal(err)
				}
				data = files[c.file]
			}
			if err := os.WriteFile(filepath.Join(dir, c.file), data, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := verify(t, dir); err == nil || !strings.Contains(out, "NOT PROVED") || !strings.Contains(out, want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
