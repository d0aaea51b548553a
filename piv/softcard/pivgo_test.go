//go:build cgo

package softcard_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/go-piv/piv-go/v2/piv"

	"signet/piv/softcard"
)

func open(t *testing.T, reader string) *piv.YubiKey {
	t.Helper()
	yk, err := piv.Open(reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { yk.Close() })
	return yk
}

func generate(t *testing.T, yk *piv.YubiKey, slot piv.Slot, key piv.Key) crypto.PublicKey {
	t.Helper()
	pub, err := yk.GenerateKey(piv.DefaultManagementKey, slot, key)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func sign(yk *piv.YubiKey, slot piv.Slot, pub crypto.PublicKey, policy piv.PINPolicy) error {
	key, err := yk.PrivateKey(slot, pub, piv.KeyAuth{PIN: piv.DefaultPIN, PINPolicy: policy})
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("hello"))
	sig, err := key.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	if pub, ok := pub.(*ecdsa.PublicKey); ok && !ecdsa.VerifyASN1(pub, digest[:], sig) {
		return errors.New("the signature is wrong")
	}
	return nil
}

func TestPivGo(t *testing.T) {
	for _, fw := range []softcard.Version{{5, 4, 3}, {5, 7, 1}} {
		t.Run(fw.String(), func(t *testing.T) {
			card, reader := plugged(t, softcard.Config{Firmware: fw, Serial: 12345678, FormFactor: 3})
			yk := open(t, reader)
			if v := yk.Version(); v.Major != int(fw[0]) || v.Minor != int(fw[1]) || v.Patch != int(fw[2]) {
				t.Errorf("version %v", v)
			}
			if n, err := yk.Serial(); err != nil || n != 12345678 {
				t.Errorf("serial %d, %v", n, err)
			}
			if n, err := yk.Retries(); err != nil || n != 3 {
				t.Errorf("retries %d, %v", n, err)
			}
			key := piv.Key{Algorithm: piv.AlgorithmEC256, PINPolicy: piv.PINPolicyOnce, TouchPolicy: piv.TouchPolicyAlways}
			pub := generate(t, yk, piv.SlotAuthentication, key)
			if err := sign(yk, piv.SlotAuthentication, pub, piv.PINPolicyOnce); err != nil {
				t.Error(err)
			}
			checkAttestation(t, card, yk, pub)
			checkCertificate(t, yk, pub)
		})
	}
}

// checkAttestation holds ours to piv-go's verifier.
func checkAttestation(t *testing.T, card *softcard.Card, yk *piv.YubiKey, pub crypto.PublicKey) {
	t.Helper()
	slotCert, err := yk.Attest(piv.SlotAuthentication)
	if err != nil {
		t.Fatal(err)
	}
	f9, err := yk.AttestationCertificate()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(testRoot(t).Certificate())
	v := piv.Verifier{Roots: roots}
	a, err := v.Verify(f9, slotCert)
	if err != nil {
		t.Fatal(err)
	}
	fw := card.Firmware()
	want := piv.Attestation{
		Version: piv.Version{Major: int(fw[0]), Minor: int(fw[1]), Patch: int(fw[2])}, Serial: card.Serial(),
		Formfactor: piv.FormfactorUSBCKeychain, PINPolicy: piv.PINPolicyOnce,
		TouchPolicy: piv.TouchPolicyAlways, Slot: piv.SlotAuthentication,
	}
	if *a != want {
		t.Errorf("attestation %+v, want %+v", *a, want)
	}
	if !pub.(*ecdsa.PublicKey).Equal(slotCert.PublicKey) {
		t.Error("attested another key")
	}
	if _, err := yk.Attest(piv.SlotSignature); !errors.Is(err, piv.ErrNotFound) {
		t.Errorf("attesting an empty slot: %v", err)
	}
}

func checkCertificate(t *testing.T, yk *piv.YubiKey, pub crypto.PublicKey) {
	t.Helper()
	if _, err := yk.Certificate(piv.SlotAuthentication); !errors.Is(err, piv.ErrNotFound) {
		t.Errorf("certificate of an empty slot: %v", err)
	}
	key, err := yk.PrivateKey(piv.SlotAuthentication, pub, piv.KeyAuth{PIN: piv.DefaultPIN, PINPolicy: piv.PINPolicyOnce})
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := yk.SetCertificate(piv.DefaultManagementKey, piv.SlotAuthentication, cert); err != nil {
		t.Fatal(err)
	}
	if back, err := yk.Certificate(piv.SlotAuthentication); err != nil || !back.Equal(cert) {
		t.Errorf("certificate read back: %v", err)
	}
}
