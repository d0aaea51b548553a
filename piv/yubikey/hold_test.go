//go:build cgo

package yubikey

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"testing"

	"signet/piv"
	"signet/piv/softcard"
)

// Nor has it Yubico's management application, by which a YubiKey is made to forget.
func TestForgetsWithoutManagementApplication(t *testing.T) {
	soft := plug(t, softcard.Config{})[0]
	c, ctx := openCard(t), t.Context()
	must(t, c.UseManagementKey(ctx, factoryPIN))
	must(t, generate(ctx, c))
	key, err := c.Key(ctx, piv.SlotAuthentication)
	must(t, err)
	signer, err := c.Signer(piv.SlotAuthentication, key, factoryPIN)
	must(t, err)
	_, err = signer.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
	must(t, err)
	soft.Inject(softcard.Fault{INS: 0xa4, Do: softcard.Fail, SW: 0x6a82}) // piv-go's way out
	must(t, c.Close())
	soft.Transmit([]byte("\x00\xa4\x04\x00\x05\xa0\x00\x00\x03\x08"))
	if sw := soft.Transmit([]byte{0, 0x20, 0, 0x80}); sw[0] == 0x90 {
		t.Error("the PIN is still verified")
	}
}

func TestLogout(t *testing.T) {
	soft := plug(t, softcard.Config{})[0]
	c, ctx := openCard(t), t.Context()
	must(t, c.UseManagementKey(ctx, factoryPIN))
	must(t, c.Logout(ctx))
	soft.Transmit([]byte("\x00\xa4\x04\x00\x05\xa0\x00\x00\x03\x08"))
	if sw := soft.Transmit([]byte{0, 0x20, 0, 0x80}); sw[0] == 0x90 {
		t.Error("the PIN is still verified")
	}
	if err := c.SetIdentifiers(ctx); !errors.Is(err, piv.ErrManagement) {
		t.Errorf("after Logout: %v", err)
	}
	must(t, c.VerifyPIN(ctx, factoryPIN))
}

// Each turn of ours or piv-go's looks whose card it is.
func TestAnotherCardInTheReader(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, c piv.Card, swap func()) error{
		"ours": func(ctx context.Context, c piv.Card, swap func()) error {
			swap()
			return c.VerifyPIN(ctx, factoryPIN)
		},
		"piv-go's": func(ctx context.Context, c piv.Card, swap func()) error {
			if _, err := c.PINTries(ctx); err != nil {
				return err
			}
			swap()
			_, err := c.Key(ctx, piv.SlotAuthentication)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := plug(t, softcard.Config{Serial: 1001})[0]
			swap := func() {
				service.Remove(first)
				second := plug(t, softcard.Config{Serial: 1002})[0]
				if n := second.Count(); n != 0 {
					t.Errorf("%d commands", n)
				}
			}
			if err := do(t.Context(), openCard(t), swap); !errors.Is(err, piv.ErrOtherCard) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Between our turn and piv-go's nobody finds the card open.
func TestNothingProvenBetweenTurns(t *testing.T) {
	soft := plug(t, softcard.Config{})[0]
	c, ctx := openCard(t), t.Context()
	must(t, c.UseManagementKey(ctx, factoryPIN))
	c.(*card).letGo()
	soft.Transmit([]byte("\x00\xa4\x04\x00\x05\xa0\x00\x00\x03\x08"))
	if sw := soft.Transmit([]byte{0, 0x20, 0, 0x80}); sw[0] == 0x90 {
		t.Error("the PIN is still verified")
	}
	if sw := soft.Transmit([]byte{0, insPutData, 0x3f, 0xff, 7, 0x5c, 3, 0x5f, 0xc1, 0x02, 0x53, 0}); sw[0] == 0x90 {
		t.Error("the management key is still proven")
	}
}
