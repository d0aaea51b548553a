//go:build cgo

package yubikey

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"errors"
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
	if strings.Contains(info, "default") { // PIN, PUK or management key
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
