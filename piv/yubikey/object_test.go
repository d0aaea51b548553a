//go:build cgo

package yubikey

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"signet/piv"
	"signet/piv/softcard"
)

func TestMoveAndDelete(t *testing.T) {
	plug(t, softcard.Config{Firmware: softcard.Version{5, 7, 1}})
	c, ctx := openCard(t), t.Context()
	must(t, c.UseManagementKey(ctx, factoryPIN))
	must(t, generate(ctx, c))
	key, err := c.Key(ctx, piv.SlotAuthentication)
	must(t, err)
	must(t, c.MoveKey(ctx, piv.SlotAuthentication, 0x82))
	if _, err := c.Key(ctx, piv.SlotAuthentication); !errors.Is(err, piv.ErrEmpty) {
		t.Errorf("where the key was: %v", err)
	}
	moved, err := c.Key(ctx, 0x82)
	if err != nil || moved.Algorithm != key.Algorithm || !moved.Generated {
		t.Errorf("where it is now: %+v, %v", moved, err)
	}
	must(t, c.DeleteKey(ctx, 0x82))
	if err := c.DeleteKey(ctx, 0x82); !errors.Is(err, piv.ErrEmpty) {
		t.Errorf("deleting what isn't there: %v", err)
	}
}

func TestMoveBefore57(t *testing.T) {
	plug(t, softcard.Config{Firmware: softcard.Version{5, 4, 3}})
	c, ctx := openCard(t), t.Context()
	must(t, c.UseManagementKey(ctx, factoryPIN))
	for _, err := range []error{c.DeleteKey(ctx, piv.SlotAuthentication), c.MoveKey(ctx, piv.SlotAuthentication, 0x82)} {
		if !errors.Is(err, piv.ErrUnsupported) {
			t.Error(err)
		}
	}
}

func TestCertificatesOfAnySize(t *testing.T) {
	plug(t, softcard.Config{})
	c, ctx := openCard(t), t.Context()
	must(t, c.UseManagementKey(ctx, factoryPIN))
	for _, size := range []int{100, 2900, 3020, 3040, 9000} {
		cert := certificateOf(t, size, false)
		must(t, c.SetCertificate(ctx, piv.SlotSignature, cert))
		back, err := c.Certificate(ctx, piv.SlotSignature)
		if err != nil || !back.Equal(cert) {
			t.Errorf("one of %d bytes: %v", len(cert.Raw), err)
		}
	}
	before, err := c.Certificate(ctx, piv.SlotSignature)
	must(t, err)
	if err := c.SetCertificate(ctx, piv.SlotSignature, certificateOf(t, 3300, true)); !errors.Is(err, piv.ErrFull) {
		t.Errorf("one that doesn't fit: %v", err)
	}
	if after, err := c.Certificate(ctx, piv.SlotSignature); err != nil || !after.Equal(before) {
		t.Errorf("the one that was there: %v", err)
	}
}

// A card may be full before an object is too large.
func TestFullCard(t *testing.T) {
	soft := plug(t, softcard.Config{})[0]
	c, ctx := openCard(t), t.Context()
	must(t, c.UseManagementKey(ctx, factoryPIN))
	soft.Inject(softcard.Fault{INS: insPutData, Do: softcard.Fail, SW: swNoMemory, Repeat: true})
	if err := c.SetCertificate(ctx, piv.SlotSignature, certificateOf(t, 500, false)); !errors.Is(err, piv.ErrFull) {
		t.Errorf("a certificate: %v", err)
	}
	if err := c.SetIdentifiers(ctx); !errors.Is(err, piv.ErrFull) {
		t.Errorf("the CHUID: %v", err)
	}
}

func certificateOf(t *testing.T, size int, noise bool) *x509.Certificate {
	t.Helper()
	padding := make([]byte, size)
	if noise {
		_, _ = rand.Read(padding)
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: padding}}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}
