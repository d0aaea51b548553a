package softcard_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/piv/softcard"
)

// Other people's programs hold the card to what they expect of a YubiKey.

// must runs a program and gives what it says; text must be part of it, where the
// gaps between words are one space each: versions of a program differ in theirs.
func must(t testing.TB, text, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(out)), " "), text) {
		t.Fatalf("%s %q: %v, want %q in:\n%s", filepath.Base(name), args, err, text, out)
	}
	return string(out)
}

func TestYkman(t *testing.T) {
	ykman := tool(t, "ykman", "yubikey-manager")
	for _, fw := range []softcard.Version{{5, 4, 3}, {5, 7, 1}} {
		t.Run(fw.String(), func(t *testing.T) {
			plugged(t, softcard.Config{Serial: 7654321, Firmware: fw})
			pub := filepath.Join(t.TempDir(), "9a.pem")
			must(t, "7654321", ykman, "list")
			must(t, "PIN tries remaining: 3/3", ykman, "piv", "info")
			must(t, "", ykman, "piv", "keys", "generate", "-m", defaultKey, "-a", "ECCP384", "9a", pub)
			must(t, "", ykman, "piv", "certificates", "generate", "-m", defaultKey, "-P", "123456", "-s", "CN=alice", "9a", pub)
			must(t, "CN=alice", ykman, "piv", "info")
			attestation := must(t, "BEGIN CERTIFICATE", ykman, "piv", "keys", "attest", "9a", "-")
			block, _ := pem.Decode([]byte(attestation))
			if cert, err := x509.ParseCertificate(block.Bytes); err != nil || cert.Subject.CommonName != "YubiKey PIV Attestation 9a" {
				t.Errorf("attestation: %v", err)
			}
			must(t, "", ykman, "piv", "access", "change-pin", "-P", "123456", "-n", "654321")
			must(t, "", ykman, "piv", "access", "change-management-key", "-m", defaultKey, "-P", "654321", "-p", "-g", "-f")
			must(t, "", ykman, "piv", "access", "set-retries", "-P", "654321", "-f", "5", "4")
			must(t, "been cleared", ykman, "piv", "reset", "-f")
			must(t, "PIN tries remaining: 3/3", ykman, "piv", "info")
		})
	}
}

// certify makes a certificate of the public key in one PEM file in another.
func certify(t testing.TB, pubFile, certFile string) {
	t.Helper()
	b, err := os.ReadFile(pubFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "bob"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	b = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(certFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestYubicoPIVTool(t *testing.T) {
	ypt := tool(t, "yubico-piv-tool", "yubico-piv-tool")
	openssl := tool(t, "openssl", "openssl")
	plugged(t, softcard.Config{Serial: 7654321})
	dir := t.TempDir()
	pub, cert := filepath.Join(dir, "pub.pem"), filepath.Join(dir, "cert.pem")
	must(t, "7654321", ypt, "-a", "status")
	must(t, "", ypt, "-a", "set-chuid", "-a", "set-ccc")
	for slot, alg := range map[string]string{"9a": "RSA2048", "9c": "ECCP256"} {
		must(t, "generated", ypt, "-a", "generate", "-s", slot, "-A", alg, "-o", pub)
		certify(t, pub, cert) // the tool's own selfsign fails with OpenSSL 3, hardware or not
		must(t, "imported", ypt, "-a", "import-certificate", "-s", slot, "-i", cert)
		must(t, "BEGIN CERTIFICATE", ypt, "-a", "attest", "-s", slot)
		must(t, "Successful", ypt, "-a", "verify-pin", "-P", "123456", "-a", "test-signature", "-s", slot, "-i", cert)
	}
	must(t, "CN=bob", ypt, "-a", "status")
	private := filepath.Join(dir, "key.pem")
	must(t, "", openssl, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", private)
	must(t, "imported", ypt, "-a", "import-key", "-s", "9e", "-i", private)
}

// pkcs11Module finds a PKCS#11 module, as Debian installs it.
func pkcs11Module(t testing.TB, name, pkg string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/" + name)
	if len(found) == 0 {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	return found[0]
}

func TestPKCS11(t *testing.T) {
	p11, openssl := tool(t, "pkcs11-tool", "opensc"), tool(t, "openssl", "openssl")
	ypt := tool(t, "yubico-piv-tool", "yubico-piv-tool")
	plugged(t, softcard.Config{})
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("data"), []byte("to be signed"), 0o600); err != nil {
		t.Fatal(err)
	}
	for slot, id := range map[string]string{"9a": "01", "9c": "02"} {
		must(t, "", ypt, "-a", "generate", "-s", slot, "-A", "ECCP256", "-o", path(slot))
		certify(t, path(slot), path("c"))
		must(t, "", ypt, "-a", "import-certificate", "-s", slot, "-i", path("c"))
		for module, pkg := range map[string]string{"opensc-pkcs11.so": "opensc-pkcs11", "libykcs11.so": "ykcs11"} {
			lib := pkcs11Module(t, module, pkg)
			must(t, "Certificate Object", p11, "--module", lib, "-O")
			must(t, "", p11, "--module", lib, "-l", "-p", "123456", "-s", "-m", "ECDSA-SHA256", "--id", id,
				"-f", "openssl", "-i", path("data"), "-o", path("sig"))
			must(t, "Verified OK", openssl, "dgst", "-sha256", "-verify", path(slot), "-signature", path("sig"), path("data"))
		}
	}
}
