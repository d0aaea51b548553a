//go:build cgo

package yubikey

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/piv"
	"signet/piv/softcard"
)

// service stands in for pcscd. There is one, since libpcsclite reads the
// socket's name once; cards come and go.
var service *softcard.PCSC

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pcsc")
	if err != nil {
		panic(err)
	}
	socket := filepath.Join(dir, "s")
	os.Setenv("PCSCLITE_CSOCK_NAME", socket)
	startService(socket)
	code := m.Run()
	_ = service.Close()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func startService(socket string) {
	var err error
	if service, err = softcard.ListenPCSC(socket); err != nil {
		panic(err)
	}
	go service.Serve(context.Background())
}

// plug puts software cards into the service, through which libpcsclite and
// piv-go then go as they do on any desk.
func plug(t *testing.T, configs ...softcard.Config) []*softcard.Card {
	t.Helper()
	cards := make([]*softcard.Card, len(configs))
	for i, cfg := range configs {
		var err error
		if cards[i], err = softcard.Open(cfg); err != nil {
			t.Fatal(err)
		}
		if _, err := service.Add(cards[i]); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { service.Remove(cards[i]) })
	}
	return cards
}

func openCard(t *testing.T) piv.Card {
	t.Helper()
	c, err := Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const factoryPIN = "123456"

func TestLifeOfACard(t *testing.T) {
	root, err := softcard.NewRoot()
	must(t, err)
	for _, fw := range []softcard.Version{{5, 2, 7}, {5, 4, 3}, {5, 7, 1}} {
		t.Run(fw.String(), func(t *testing.T) {
			plug(t, softcard.Config{Firmware: fw, Root: root, Serial: 4711})
			c := openCard(t)
			info := c.Info()
			if info.Serial != 4711 || info.Firmware != piv.Version(fw) || info.FormFactor != "USB-A Keychain" {
				t.Errorf("the card tells %+v", info)
			}
			secure(t, c)
			for _, alg := range []piv.Algorithm{piv.P256, piv.P384} {
				useSlot(t, c, root, piv.KeySpec{Algorithm: alg, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchCached})
			}
			if fw[1] >= 7 {
				useSlot(t, c, root, piv.KeySpec{Algorithm: piv.Ed25519, PINPolicy: piv.PINAlways, TouchPolicy: piv.TouchNever})
			}
		})
	}
}

// secure replaces the factory's secrets, and finds the management key again.
func secure(t *testing.T, c piv.Card) {
	t.Helper()
	ctx := t.Context()
	if factory, err := c.FactoryManagementKey(ctx); err != nil || !factory {
		t.Fatalf("a new card has the factory's management key: %v, %v", factory, err)
	}
	must(t, c.ChangePIN(ctx, factoryPIN, "654321"))
	must(t, c.ChangePUK(ctx, "12345678", "87654321"))
	must(t, c.NewManagementKey(ctx, "654321"))
	if factory, err := c.FactoryManagementKey(ctx); err != nil || factory {
		t.Fatalf("the factory's management key is still taken: %v, %v", factory, err)
	}
	must(t, c.Close())
	again := openCard(t)
	must(t, again.UseManagementKey(ctx, "654321"))
	if err := again.NewManagementKey(ctx, "654321"); !errors.Is(err, piv.ErrManagement) {
		t.Errorf("replacing a management key that isn't the factory's: %v", err)
	}
	must(t, again.Close())
}

func useSlot(t *testing.T, _ piv.Card, root *softcard.Root, spec piv.KeySpec) {
	t.Helper()
	ctx := t.Context()
	c := openCard(t)
	defer c.Close()
	must(t, c.UseManagementKey(ctx, "654321"))
	pub, err := c.Generate(ctx, piv.SlotAuthentication, spec)
	must(t, err)
	key, err := c.Key(ctx, piv.SlotAuthentication)
	must(t, err)
	if key.Algorithm != spec.Algorithm || key.PINPolicy != spec.PINPolicy || key.TouchPolicy != spec.TouchPolicy ||
		!key.Generated || !key.Public.(interface{ Equal(crypto.PublicKey) bool }).Equal(pub) {
		t.Errorf("generated %+v, the card tells %+v", spec, key)
	}
	a, err := c.Attest(ctx, piv.SlotAuthentication)
	must(t, err)
	st, err := piv.NewRoots(root.Certificate()).Verify(a, time.Now())
	must(t, err)
	if st.Serial != 4711 || st.PINPolicy != spec.PINPolicy || st.TouchPolicy != spec.TouchPolicy || st.Slot != piv.SlotAuthentication {
		t.Errorf("generated %+v, attested %+v", spec, st)
	}
	signer, err := c.Signer(piv.SlotAuthentication, key, "654321")
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "alice"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, signer)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	must(t, cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature))
	must(t, c.SetCertificate(ctx, piv.SlotAuthentication, cert))
	back, err := c.Certificate(ctx, piv.SlotAuthentication)
	must(t, err)
	if !back.Equal(cert) {
		t.Error("the certificate read is not the one written")
	}
}

// A card of another maker may attest nothing and tell of no key.
func TestCardThatTellsNothing(t *testing.T) {
	card := plug(t, softcard.Config{Firmware: softcard.Version{5, 0, 0}})[0]
	card.Inject(softcard.Fault{INS: 0xf9, Do: softcard.Fail, SW: 0x6d00, Repeat: true})
	ctx, c := t.Context(), openCard(t)
	if _, err := c.Key(ctx, piv.SlotAuthentication); !errors.Is(err, piv.ErrEmpty) {
		t.Errorf("of an empty slot: %v", err)
	}
	if _, err := c.Attest(ctx, piv.SlotAuthentication); !errors.Is(err, piv.ErrUnsupported) {
		t.Errorf("attesting: %v", err)
	}
	must(t, c.UseManagementKey(ctx, factoryPIN))
	pub, err := c.Generate(ctx, piv.SlotAuthentication, piv.KeySpec{Algorithm: piv.P256, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever})
	must(t, err)
	key, err := c.Key(ctx, piv.SlotAuthentication)
	must(t, err)
	signer, err := c.Signer(piv.SlotAuthentication, key, factoryPIN)
	must(t, err)
	digest := sha256.Sum256([]byte("a request"))
	sig, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	must(t, err)
	if !ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), digest[:], sig) {
		t.Error("the key remembered is not the one generated")
	}
}

// A card pulled out between storing the management key and setting it must
// still be of use.
func TestManagementKeyHalfway(t *testing.T) {
	soft := plug(t, softcard.Config{})[0]
	c := openCard(t)
	soft.Inject(softcard.Fault{INS: 0xff, Do: softcard.UnplugBefore})
	if err := c.NewManagementKey(t.Context(), factoryPIN); !errors.Is(err, piv.ErrRemoved) {
		t.Fatalf("pulled out while setting the management key: %v", err)
	}
	_ = c.Close()
	soft.Plug()
	c = openCard(t)
	must(t, c.UseManagementKey(t.Context(), factoryPIN))
	must(t, c.NewManagementKey(t.Context(), factoryPIN))
	must(t, c.UseManagementKey(t.Context(), factoryPIN))
}

func TestPINs(t *testing.T) {
	plug(t, softcard.Config{})
	c, ctx := openCard(t), t.Context()
	for want := 2; want >= 1; want-- {
		var wrong *piv.WrongPINError
		if err := c.VerifyPIN(ctx, "000000"); !errors.As(err, &wrong) || wrong.Tries != want || wrong.What != "PIN" {
			t.Fatalf("wrong PIN, %d tries left: %v", want, err)
		}
	}
	if n, err := c.PINTries(ctx); n != 1 || err != nil {
		t.Fatalf("%d tries left, %v; want 1", n, err)
	}
	must(t, c.VerifyPIN(ctx, factoryPIN))
	if _, err := c.PINTries(ctx); err != nil {
		t.Errorf("after the PIN was verified: %v", err)
	}
	for range 3 {
		_ = c.VerifyPIN(ctx, "000000")
	}
	if err := c.VerifyPIN(ctx, factoryPIN); !errors.Is(err, piv.ErrPINBlocked) {
		t.Errorf("the right PIN, blocked: %v", err)
	}
	for range 3 {
		_ = c.ChangePUK(ctx, "00000000", "11111111")
	}
	if err := c.ChangePUK(ctx, "12345678", "11111111"); !errors.Is(err, piv.ErrPUKBlocked) {
		t.Errorf("the right PUK, blocked: %v", err)
	}
	must(t, c.Reset(ctx))
	must(t, c.VerifyPIN(ctx, factoryPIN))
}

// Whoever opens the card after us must not find the PIN verified.
func TestCloseForgetsThePIN(t *testing.T) {
	soft := plug(t, softcard.Config{})[0]
	c := openCard(t)
	must(t, c.VerifyPIN(t.Context(), factoryPIN))
	must(t, c.Close())
	if sw := soft.Transmit([]byte{0, 0x20, 0, 0x80}); len(sw) != 2 || sw[0] == 0x90 {
		t.Errorf("after Close the card answers % x to an empty VERIFY", sw)
	}
}

func TestEmptySlot(t *testing.T) {
	plug(t, softcard.Config{})
	c, ctx := openCard(t), t.Context()
	if _, err := c.Key(ctx, piv.SlotAuthentication); !errors.Is(err, piv.ErrEmpty) {
		t.Errorf("Key: %v", err)
	}
	if _, err := c.Certificate(ctx, piv.SlotAuthentication); !errors.Is(err, piv.ErrEmpty) {
		t.Errorf("Certificate: %v", err)
	}
	if _, err := c.Attest(ctx, piv.SlotAuthentication); !errors.Is(err, piv.ErrEmpty) {
		t.Errorf("Attest: %v", err)
	}
	if _, err := c.Generate(ctx, piv.SlotAuthentication, piv.KeySpec{Algorithm: piv.P256, PINPolicy: 2, TouchPolicy: 1}); !errors.Is(err, piv.ErrManagement) {
		t.Errorf("Generate without a management key: %v", err)
	}
}

func TestTouch(t *testing.T) {
	soft := plug(t, softcard.Config{TouchTimeout: 50 * time.Millisecond})[0]
	c, ctx := openCard(t), t.Context()
	must(t, c.UseManagementKey(ctx, factoryPIN))
	spec := piv.KeySpec{Algorithm: piv.P256, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchAlways}
	pub, err := c.Generate(ctx, piv.SlotAuthentication, spec)
	must(t, err)
	key := piv.Key{Public: pub, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchAlways}
	signer, err := c.Signer(piv.SlotAuthentication, key, factoryPIN)
	must(t, err)
	digest := sha256.Sum256(nil)
	for _, mode := range []softcard.TouchMode{softcard.TouchWait, softcard.TouchRefuse} {
		soft.SetTouch(mode)
		if _, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256); !errors.Is(err, piv.ErrNotTouched) {
			t.Errorf("%s: %v", mode, err)
		}
	}
	soft.SetTouch(softcard.TouchAuto)
	if _, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
		t.Error(err)
	}
}

func TestReaders(t *testing.T) {
	cards := plug(t, softcard.Config{Serial: 1001}, softcard.Config{Serial: 1002})
	ctx := t.Context()
	infos, err := List(ctx)
	if err != nil || len(infos) != 2 || infos[0].Serial != 1001 || infos[1].Serial != 1002 {
		t.Fatalf("List: %+v, %v", infos, err)
	}
	var several *piv.SeveralError
	if _, err := Open(ctx, 0); !errors.As(err, &several) || len(several.Cards) != 2 {
		t.Errorf("two cards, none named: %v", err)
	}
	c, err := Open(ctx, 1002)
	must(t, err)
	must(t, c.Close())
	if _, err := Open(ctx, 1003); !errors.Is(err, piv.ErrNoCard) {
		t.Errorf("a card that isn't there: %v", err)
	}
	cards[1].Hold()
	if _, err := Open(ctx, 1002); !errors.Is(err, piv.ErrInUse) {
		t.Errorf("a card that another program holds: %v", err)
	}
	infos, err = List(ctx)
	if err != nil || len(infos) != 2 || infos[1].HeldBy == "" {
		t.Errorf("List: %+v, %v", infos, err)
	}
	cards[0].Unplug()
	cards[1].Unplug()
	if _, err := Open(ctx, 0); !errors.Is(err, piv.ErrNoCard) {
		t.Errorf("no card: %v", err)
	}
	socket := service.SocketPath()
	must(t, service.Close())
	defer startService(socket)
	if _, err := Open(ctx, 0); !errors.Is(err, piv.ErrNoService) {
		t.Errorf("no pcscd: %v", err)
	}
	defer turnAway(t, socket)()
	if _, err := Open(ctx, 0); !errors.Is(err, piv.ErrNotAllowed) {
		t.Errorf("a pcscd that refuses: %v", err)
	}
}

// turnAway does what pcscd does with whom polkit does not let in: it hangs up, unheard.
func turnAway(t *testing.T, socket string) (end func()) {
	ln, err := net.Listen("unix", socket)
	must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			// A header of 8 octets and the version's 12: all is there, and some of it stays unread.
			_, _ = io.ReadFull(conn, make([]byte, 9))
			conn.Close()
		}
	}()
	return func() {
		ln.Close()
		<-ended
	}
}

// The card can go at any moment; whatever was being done says so.
func TestPulledOut(t *testing.T) {
	steps := map[string]struct {
		ins byte
		do  func(ctx context.Context, c piv.Card) error
	}{
		"verify":   {0x20, func(ctx context.Context, c piv.Card) error { return c.VerifyPIN(ctx, factoryPIN) }},
		"generate": {0x47, generate},
		"attest": {0xf9, func(ctx context.Context, c piv.Card) error {
			_, err := c.Attest(ctx, piv.SlotAuthentication)
			return err
		}},
		"write": {0xdb, func(ctx context.Context, c piv.Card) error {
			return c.SetCertificate(ctx, piv.SlotAuthentication, &x509.Certificate{Raw: make([]byte, 300)})
		}},
		"sign": {0x87, func(ctx context.Context, c piv.Card) error {
			key, err := c.Key(ctx, piv.SlotAuthentication)
			if err != nil {
				return err
			}
			s, err := c.Signer(piv.SlotAuthentication, key, factoryPIN)
			if err != nil {
				return err
			}
			_, err = s.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
			return err
		}},
	}
	for name, step := range steps {
		for _, when := range []softcard.Action{softcard.UnplugBefore, softcard.UnplugAfter} {
			t.Run(name+" "+strings.TrimPrefix(string(when), "unplug-"), func(t *testing.T) {
				soft := plug(t, softcard.Config{})[0]
				c := openCard(t)
				must(t, c.UseManagementKey(t.Context(), factoryPIN))
				must(t, generate(t.Context(), c))
				soft.Inject(softcard.Fault{INS: step.ins, Do: when})
				if err := step.do(t.Context(), c); !errors.Is(err, piv.ErrRemoved) {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

func generate(ctx context.Context, c piv.Card) error {
	_, err := c.Generate(ctx, piv.SlotAuthentication, piv.KeySpec{Algorithm: piv.P256, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever})
	return err
}
