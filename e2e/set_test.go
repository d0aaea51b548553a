package e2e

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"signet/e2e/harness"
)

// companionProfiles are put before [profiles.user], which has them as its companions. OpenSSL's
// smimeencrypt is for keyEncipherment alone, which is RSA's: the key in 9d is one.
const companionProfiles = `
[profiles.signing]
sans = ["email"]
ext_key_usages = ["emailProtection"]
key_usages = ["digitalSignature", "contentCommitment"]
[profiles.signing.key]
slot = "9c"
pin_policy = "always"

[profiles.encryption]
sans = ["email"]
ext_key_usages = ["emailProtection"]
key_usages = ["keyEncipherment", "keyAgreement"]
key_algorithms = ["RSA-2048"]
[profiles.encryption.key]
slot = "9d"

[profiles.archive]
sans = ["email"]
ext_key_usages = ["emailProtection"]
key_usages = ["keyEncipherment", "keyAgreement"]
key_algorithms = ["P-256"]
[profiles.archive.key]
slot = "82"

[profiles.user]
with = ["signing", "encryption", "archive"]`

// One command fills four slots of a card. OpenSSL and the PKCS#11 modules of OpenSC and Yubico
// use each key for what it is for: who is signed in, what is signed, what is encrypted.
func TestSeveralSlots(t *testing.T) {
	ca := newCA(t, map[string]string{"[profiles.user]": companionProfiles})
	if err := ca.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	addUser(t, ca, "alice")
	card, err := ca.PlugIn(filepath.Join(t.TempDir(), "card"), "--firmware", "5.7.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = card.Unplug() })
	if err := ca.EnrollCard(t.Context(), card, "alice"); err != nil {
		t.Fatal(err)
	}
	h := &cardholder{Card: card, t: t, dir: t.TempDir(), root: filepath.Join(ca.Dir, "root.crt"), between: filepath.Join(ca.Dir, "intermediate.crt")}
	h.certificates()
	h.purposes()
	h.signs()
	h.decrypts("9d", "opensc-pkcs11", "03")
	h.agrees("82", "libykcs11", "05")
	h.agrees("82", "opensc-pkcs11", "05")
	h.renewsTheSet(ca)
	h.stillReads()
}

// A cardholder uses a card by others' programs.
type cardholder struct {
	*harness.Card
	t             *testing.T
	dir           string
	root, between string
}

func (h *cardholder) path(name string) string { return filepath.Join(h.dir, name) }

// run is another program with the card; it must succeed.
func (h *cardholder) run(stdin, module, program string, args ...string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(append(os.Environ(), h.Env...), "PKCS11_MODULE_PATH="+pkcs11Module(h.t, module))
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a PIN is asked for on stdin, not at a terminal
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func pkcs11Module(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/" + name + ".so")
	if err != nil || len(found) == 0 {
		t.Fatalf("%s.so is missing: scripts/need installs what the tests want", name)
	}
	return found[0]
}

// certificates reads those of the four slots off the card.
func (h *cardholder) certificates() {
	h.t.Helper()
	for name, id := range map[string]string{"9a": "01", "9c": "02", "9d": "03", "82": "05"} {
		der := h.path(name + ".der")
		h.run("", "libykcs11", "pkcs11-tool", "--module", pkcs11Module(h.t, "libykcs11"), "--read-object", "--type", "cert", "--id", id, "-o", der)
		data, err := os.ReadFile(der)
		if err != nil {
			h.t.Fatal(err)
		}
		write(h.t, h.dir, name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: data})))
	}
}

// purposes has OpenSSL judge what each certificate is for, and what it isn't.
func (h *cardholder) purposes() {
	h.t.Helper()
	for purpose, good := range map[string]string{"sslclient": "9a", "smimesign": "9c", "smimeencrypt": "9d"} {
		for _, name := range []string{"9a", "9c", "9d"} {
			out, err := output(h.t, "openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", h.root, "-untrusted", h.between, h.path(name+".pem"))
			if (err == nil) != (name == good) {
				h.t.Errorf("%s as %s: %v\n%s", name, purpose, err, out)
			}
		}
	}
}

// signs has the key in 9c sign a message. It asks for the PIN once more, right then.
func (h *cardholder) signs() {
	h.t.Helper()
	message := write(h.t, h.dir, "message", "signed by the card\n")
	h.run(h.PIN+"\n", "opensc-pkcs11", "openssl", "cms", "-sign", "-in", message, "-signer", h.path("9c.pem"), "-certfile", h.between,
		"-out", h.path("signed"), "-engine", "pkcs11", "-keyform", "engine", "-inkey", h.key("02"))
	out, err := output(h.t, "openssl", "cms", "-verify", "-purpose", "smimesign", "-CAfile", h.root, "-in", h.path("signed"))
	if err != nil || !strings.Contains(out, "signed by the card") {
		h.t.Errorf("the signed message: %v\n%s", err, out)
	}
}

// decrypts has a key open a message that OpenSSL has encrypted to its certificate.
func (h *cardholder) decrypts(name, module, id string) {
	h.t.Helper()
	message := write(h.t, h.dir, "message", "for slot "+name+"\n")
	if out, err := output(h.t, "openssl", "cms", "-encrypt", "-aes256", "-in", message, "-out", h.path("sealed"), h.path(name+".pem")); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	out := h.run("", module, "openssl", "cms", "-decrypt", "-in", h.path("sealed"), "-recip", h.path(name+".pem"),
		"-engine", "pkcs11", "-keyform", "engine", "-inkey", h.key(id))
	if !strings.Contains(out, "for slot "+name) {
		h.t.Errorf("the message to %s: %s", name, out)
	}
}

// agrees has an elliptic-curve key agree on a secret with somebody who has its certificate.
// (Not by OpenSSL's cms: that of Ubuntu 24.04 can't do it with a key of an engine.)
func (h *cardholder) agrees(name, module, id string) {
	h.t.Helper()
	sender, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(sender.PublicKey())
	if err != nil {
		h.t.Fatal(err)
	}
	h.run("", module, "pkcs11-tool", "--module", pkcs11Module(h.t, module), "--login", "--pin", h.PIN, "--derive", "--mechanism", "ECDH1-DERIVE",
		"--id", id, "--input-file", write(h.t, h.dir, "sender.der", string(spki)), "--output-file", h.path("secret"))
	secret, err := os.ReadFile(h.path("secret"))
	if err != nil {
		h.t.Fatal(err)
	}
	if want, err := sender.ECDH(h.public(name)); err != nil || !bytes.Equal(secret, want) {
		h.t.Errorf("%s by %s: the secret is %x, not %x, %v", name, module, secret, want, err)
	}
}

// public is the key in a slot's certificate.
func (h *cardholder) public(name string) *ecdh.PublicKey {
	h.t.Helper()
	der, err := os.ReadFile(h.path(name + ".der"))
	if err != nil {
		h.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		h.t.Fatal(err)
	}
	key, err := cert.PublicKey.(*ecdsa.PublicKey).ECDH()
	if err != nil {
		h.t.Fatal(err)
	}
	return key
}

func (h *cardholder) key(id string) string {
	return fmt.Sprintf("pkcs11:id=%%%s;type=private?pin-value=%s", id, h.PIN)
}

// renewsTheSet: one command, four certificates more.
func (h *cardholder) renewsTheSet(ca *harness.CA) {
	h.t.Helper()
	if out := h.signet("renew"); strings.Count(out, "Certificate in slot") != 4 {
		h.t.Errorf("signet renew: %s", out)
	}
	var issued []struct{ Profile string }
	if err := ca.SignetdJSON(h.t.Context(), &issued, "cert", "list"); err != nil || len(issued) < 8 {
		h.t.Errorf("%d certificates are listed: %v", len(issued), err)
	}
}

// stillReads gives the encryption slot a new key: what was encrypted to the old one is read by
// that one, in the slot where it is kept.
func (h *cardholder) stillReads() {
	h.t.Helper()
	if out := h.signet("renew", "--new-key", "--slot", "9d"); !strings.Contains(out, "The old key is in slot 83") {
		h.t.Errorf("signet renew: %s", out)
	}
	for _, module := range []string{"libykcs11", "opensc-pkcs11"} {
		h.decrypts("9d", module, "06") // by the certificate that was read before
	}
	h.signet("status")
}

// signet is a command of the card's holder that must succeed.
func (h *cardholder) signet(args ...string) string {
	h.t.Helper()
	if args[0] == "renew" {
		args = append(args, "--pin-file", write(h.t, h.dir, "pin", h.PIN))
	}
	cmd := exec.CommandContext(h.t.Context(), filepath.Join(bin, "signet"), args...)
	cmd.Env = append(append(os.Environ(), h.Home()...), h.Env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("signet %v: %v\n%s", args, err, out)
	}
	return string(out)
}
