//go:build cgo

package softcard_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"github.com/go-piv/piv-go/v2/piv"

	"signet/piv/softcard"
)

// wantError holds an error of PC/SC to a part of its text: piv-go exports no
// other way to tell them apart.
func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}

const (
	sharingViolation = "other connections outstanding"
	unknownReader    = "reader name is not recognized"
	removedCard      = "has been removed"
)

func TestSharing(t *testing.T) {
	c, reader := plugged(t, softcard.Config{})
	yk, err := piv.Open(reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = piv.Open(reader)
	wantError(t, err, sharingViolation)
	if err := yk.Close(); err != nil {
		t.Fatal(err)
	}
	c.Hold()
	_, err = piv.Open(reader)
	wantError(t, err, sharingViolation)
	c.Release()
	open(t, reader)
}

func TestSeveralCards(t *testing.T) {
	_, one := plugged(t, softcard.Config{Serial: 1})
	card, two := plugged(t, softcard.Config{Serial: 2})
	names, err := piv.Cards()
	if err != nil || !slices.Equal(names, []string{one, two}) {
		t.Fatalf("%q, %v", names, err)
	}
	first, second := open(t, one), open(t, two)
	if n, _ := first.Serial(); n != 1 {
		t.Errorf("serial %d", n)
	}
	if n, _ := second.Serial(); n != 2 {
		t.Errorf("serial %d", n)
	}
	card.Unplug()
	if names, err := piv.Cards(); err != nil || !slices.Equal(names, []string{one}) {
		t.Errorf("%q, %v", names, err)
	}
}

func TestHotUnplug(t *testing.T) {
	c, reader := plugged(t, softcard.Config{})
	yk := open(t, reader)
	c.Unplug()
	_, err := yk.Serial()
	wantError(t, err, removedCard)
	_, err = piv.Open(reader)
	wantError(t, err, unknownReader)
	if names, err := piv.Cards(); err != nil || len(names) != 0 {
		t.Errorf("%q, %v", names, err)
	}
	c.Plug()
	_, err = yk.Serial() // still of the card that was
	wantError(t, err, removedCard)
	if n, err := open(t, reader).Serial(); err != nil || n != c.Serial() {
		t.Errorf("serial %d, %v", n, err)
	}
}

func TestUnplugWhileSigning(t *testing.T) {
	c, reader := plugged(t, softcard.Config{})
	yk := open(t, reader)
	pub := generate(t, yk, piv.SlotAuthentication, piv.Key{
		Algorithm: piv.AlgorithmEC256, PINPolicy: piv.PINPolicyNever, TouchPolicy: piv.TouchPolicyAlways,
	})
	c.SetTouch(softcard.TouchWait)
	key, err := yk.PrivateKey(piv.SlotAuthentication, pub, piv.KeyAuth{PINPolicy: piv.PINPolicyNever})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		digest := sha256.Sum256(nil)
		_, err := key.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
		done <- err
	}()
	if err := c.AwaitTouch(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Unplug()
	wantError(t, <-done, removedCard)
}
