//go:build cgo

package yubikey

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	pivgo "github.com/go-piv/piv-go/v2/piv"

	"signet/piv"
	"signet/piv/softcard"
)

const newPIN = "271828"

// setUp is what makes a factory card ours.
func setUp(t *testing.T, c piv.Card) {
	t.Helper()
	ctx := t.Context()
	must(t, c.ChangePUK(ctx, "12345678", "31415926"))
	must(t, c.ChangePIN(ctx, factoryPIN, newPIN))
	must(t, c.NewManagementKey(ctx, newPIN))
	must(t, c.SetIdentifiers(ctx))
}

// run runs another program at the cards; each text must be part of what it says.
func run(t *testing.T, texts []string, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: %v", name, err)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	for _, text := range texts {
		if !strings.Contains(oneSpaced(string(out)), text) {
			t.Errorf("%s %q doesn't say %q:\n%s", name, args, text, out)
		}
	}
	return string(out)
}

// oneSpaced is a text with a space for each gap: versions of a program differ in theirs.
func oneSpaced(text string) string { return strings.Join(strings.Fields(text), " ") }

var firmwares = map[string]struct {
	version softcard.Version
	kind    string // of its management key
	ykman   string // what ykman calls that
}{
	"5.4.3": {softcard.Version{5, 4, 3}, "3DES", "TDES"},
	"5.7.1": {softcard.Version{5, 7, 1}, "AES-192", "AES192"},
}

// After our set-up ykman and OpenSC work with the card by its PIN alone.
func TestSetUpAsOthersSeeIt(t *testing.T) {
	for name, fw := range firmwares {
		t.Run(name, func(t *testing.T) {
			plug(t, softcard.Config{Firmware: fw.version, Serial: 4711})
			c := openCard(t)
			setUp(t, c)
			m, err := c.Management(t.Context())
			must(t, err)
			if m != (piv.Management{Algorithm: fw.kind, Protected: true}) {
				t.Errorf("the card tells of its management key: %+v", m)
			}
			ids, err := c.Identifiers(t.Context())
			must(t, err)
			if !ids.CHUID || !ids.CCC || len(ids.GUID) != 36 {
				t.Errorf("identifiers: %+v", ids)
			}
			must(t, c.Close())
			judge(t, fw.ykman, ids.GUID)
		})
	}
}

func judge(t *testing.T, kind, guid string) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	info := run(t, []string{"Management key is stored on the YubiKey, protected by PIN.", "Management key algorithm: " + kind,
		"PIN tries remaining: 3/3", "CHUID: 3019d4e739", "CCC: f015a000000116ff02"}, "ykman", "piv", "info")
	if strings.Contains(info, "WARNING") {
		t.Errorf("ykman warns:\n%s", info)
	}
	run(t, []string{"4711"}, "ykman", "list")
	run(t, []string{"PIV Enabled"}, "ykman", "info")
	// OpenSC takes the UUID in the CHUID for the card's serial number.
	digits := strings.ReplaceAll(guid, "-", "")
	spaced := strings.TrimSpace(strings.ToUpper(regexp.MustCompile("..").ReplaceAllString(digits, "$0 ")))
	run(t, []string{spaced}, "piv-tool", "--serial")
	run(t, []string{"serial num : " + digits[16:]}, "pkcs11-tool", "--module", openSC(t), "-L")
	// ykman writes a CHUID of its own when it writes a certificate.
	run(t, nil, "ykman", "piv", "keys", "generate", "-P", newPIN, "-a", "ECCP256", "9a", file("9a.pub"))
	run(t, nil, "ykman", "piv", "keys", "attest", "9a", file("9a.attestation"))
	run(t, nil, "ykman", "piv", "certificates", "export", "f9", file("f9"))
	run(t, nil, "openssl", "verify", "-partial_chain", "-trusted", file("f9"), file("9a.attestation"))
	run(t, nil, "ykman", "piv", "certificates", "generate", "-P", newPIN, "-s", "CN=alice", "9a", file("9a.pub"))
	run(t, nil, "ykman", "piv", "certificates", "export", "9a", file("9a.pem"))
	run(t, nil, "ykman", "piv", "certificates", "import", "-P", newPIN, "9a", file("9a.pem"))
	run(t, nil, "ykman", "piv", "access", "change-pin", "-P", newPIN, "-n", "161803")
	run(t, nil, "ykman", "piv", "objects", "export", "-P", "161803", "CHUID", file("chuid"))
	// ykman can change the key that we keep, and we can use the one that it keeps.
	run(t, nil, "ykman", "piv", "access", "change-management-key", "-P", "161803", "-p", "-g", "-f")
	c := openCard(t)
	must(t, c.UseManagementKey(t.Context(), "161803"))
	must(t, c.DeleteCertificate(t.Context(), piv.SlotAuthentication))
	if _, err := c.Certificate(t.Context(), piv.SlotAuthentication); !errors.Is(err, piv.ErrEmpty) {
		t.Errorf("the certificate deleted: %v", err)
	}
	must(t, c.Close())
	run(t, []string{"been cleared"}, "ykman", "piv", "reset", "-f")
	run(t, []string{"default PIN", "CHUID: No data"}, "ykman", "piv", "info")
}

// openSC is OpenSC's PKCS#11 module.
func openSC(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/opensc-pkcs11.so")
	if len(found) == 0 {
		t.Fatal("opensc-pkcs11.so is missing")
	}
	return found[0]
}

// A certificate that is compressed is one that OpenSC reads.
func TestCompressedAsOthersSeeIt(t *testing.T) {
	plug(t, softcard.Config{})
	c := openCard(t)
	must(t, c.UseManagementKey(t.Context(), factoryPIN))
	must(t, generate(t.Context(), c))
	cert := certificateOf(t, 5000, false)
	must(t, c.SetCertificate(t.Context(), piv.SlotAuthentication, cert))
	must(t, c.Close())
	out := run(t, nil, "pkcs15-tool", "--read-certificate", "01")
	block, _ := pem.Decode([]byte(out[max(strings.Index(out, "-----BEGIN"), 0):]))
	if block == nil || !bytes.Equal(block.Bytes, cert.Raw) {
		t.Errorf("OpenSC reads another:\n%s", out)
	}
}

// Cards that earlier versions set up keep their key, and don't say so: AES-192 whatever
// the card's kind, and no 5FFF00. They go on working, and ykman is told.
func TestCardOfAnEarlierVersion(t *testing.T) {
	soft := plug(t, softcard.Config{Serial: 4711})[0]
	c := openCard(t)
	info := c.Info()
	must(t, c.Close())
	yk, err := pivgo.Open(info.Reader)
	must(t, err)
	key := bytes.Repeat([]byte{0x42, 7, 9}, 8)
	must(t, yk.SetMetadata(pivgo.DefaultManagementKey, &pivgo.Metadata{ManagementKey: &key}))
	must(t, yk.SetManagementKey(pivgo.DefaultManagementKey, key))
	must(t, yk.Close())

	c = openCard(t)
	m, err := c.Management(t.Context())
	if err != nil || m != (piv.Management{Algorithm: "AES-192"}) {
		t.Errorf("%+v, %v", m, err)
	}
	must(t, c.UseManagementKey(t.Context(), factoryPIN))
	must(t, generate(t.Context(), c))
	must(t, c.SetIdentifiers(t.Context()))
	must(t, c.Close())
	run(t, []string{"protected by PIN", "AES192"}, "ykman", "piv", "info")
	run(t, nil, "ykman", "piv", "objects", "generate", "-P", factoryPIN, "CCC")
	before := soft.Count()
	c = openCard(t)
	must(t, c.UseManagementKey(t.Context(), factoryPIN))
	must(t, c.Close())
	for _, e := range soft.Trace()[before:] {
		if e.INS == insPutData {
			t.Error("it is said once")
		}
	}
}

// What is on the card is not replaced.
func TestIdentifiersStay(t *testing.T) {
	plug(t, softcard.Config{})
	c, ctx := openCard(t), t.Context()
	if err := c.SetIdentifiers(ctx); !errors.Is(err, piv.ErrManagement) {
		t.Errorf("without a management key: %v", err)
	}
	must(t, c.UseManagementKey(ctx, factoryPIN))
	must(t, c.SetIdentifiers(ctx))
	first, err := c.Identifiers(ctx)
	must(t, err)
	must(t, c.SetIdentifiers(ctx))
	if second, err := c.Identifiers(ctx); err != nil || second != first {
		t.Errorf("%+v is now %+v, %v", first, second, err)
	}
}

// yubico-piv-tool knows no AES: on a 5.4.3 the key stays 3DES.
func TestYubicoPIVToolAfterSetUp(t *testing.T) {
	plug(t, softcard.Config{Firmware: softcard.Version{5, 4, 3}})
	c := openCard(t)
	setUp(t, c)
	key := ""
	must(t, c.(*card).ours(t.Context(), func(l *link) error {
		must(t, c.(*card).verify(l, newPIN))
		k, err := l.kept()
		key = hex.EncodeToString(k)
		return err
	}))
	must(t, c.Close())
	run(t, []string{"Successfully generated"}, "yubico-piv-tool", "-k"+key, "-a", "generate", "-s", "9c", "-A", "ECCP256", "-o", os.DevNull)
	run(t, []string{"CHUID: 3019d4"}, "yubico-piv-tool", "-a", "status")
}

func TestRetries(t *testing.T) {
	for name, fw := range firmwares {
		t.Run(name, func(t *testing.T) {
			plug(t, softcard.Config{Firmware: fw.version})
			c, ctx := openCard(t), t.Context()
			setUp(t, c)
			must(t, c.SetRetries(ctx, newPIN, 8, 5))
			if n, err := c.PINTries(ctx); err != nil || n != 8 {
				t.Errorf("%d PIN tries, %v", n, err)
			}
			if n, known, err := c.PUKTries(ctx); err != nil || !known || n != 5 {
				t.Errorf("%d PUK tries, %v, %v", n, known, err)
			}
			must(t, c.ChangePIN(ctx, factoryPIN, newPIN))
			must(t, c.ChangePUK(ctx, "12345678", "31415926"))
			_ = c.ChangePUK(ctx, "00000000", "31415926")
			if n, _, err := c.PUKTries(ctx); err != nil || n != 4 {
				t.Errorf("%d PUK tries, %v", n, err)
			}
			if err := c.SetRetries(ctx, newPIN, 0, 5); err == nil {
				t.Error("0 tries")
			}
		})
	}
	plug(t, softcard.Config{Firmware: softcard.Version{5, 2, 7}})
	if _, known, err := openCard(t).PUKTries(t.Context()); known || err != nil {
		t.Errorf("before 5.3: %v, %v", known, err)
	}
}

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

// Another maker's card may have no object for what ykman wants to know.
func TestCardWithoutAdminData(t *testing.T) {
	soft := plug(t, softcard.Config{})[0]
	c, ctx := openCard(t), t.Context()
	soft.Inject(softcard.Fault{INS: insPutData, Nth: 2, Do: softcard.Fail, SW: 0x6a82})
	must(t, c.NewManagementKey(ctx, factoryPIN))
	m, err := c.Management(ctx)
	if err != nil || m.Factory || m.Protected {
		t.Errorf("%+v, %v", m, err)
	}
	must(t, c.UseManagementKey(ctx, factoryPIN))
}

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
