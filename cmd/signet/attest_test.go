package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/internal/command"
	"signet/internal/exit"
	"signet/piv"
)

func vector(name string) string { return filepath.Join("..", "..", "testdata", "yubico", name) }

// show runs "signet attest show" and returns what it prints, and its exit code.
func show(t *testing.T, args ...string) (string, int) {
	t.Helper()
	app := newApp()
	var out, errs bytes.Buffer
	app.Writer, app.ErrWriter = &out, &errs
	code := command.Run(t.Context(), app, append([]string{"signet", "attest", "show"}, args...))
	return out.String() + errs.String(), code
}

func TestAttestShow(t *testing.T) {
	root := filepath.Join(t.TempDir(), "u2f.pem")
	cas, err := os.ReadFile(vector("fido-and-openpgp-cas.pem"))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := pem.Decode(cas)
	if err := os.WriteFile(root, pem.EncodeToMemory(first), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{vector("yubikey-4.3.5-rsa.pem")}, exit.OK, []string{"YubiKey 4, serial number 5970478, firmware 4.3.5", "RSA-2048", "PIN          asked for at each use"}},
		{[]string{vector("yubikey-4.4.5-fips.pem")}, exit.OK, []string{"YubiKey 4 FIPS", "9c (digital signature)", "YSA-2024-03"}},
		{[]string{vector("csr-5.7.2-bio.pem")}, exit.OK, []string{"YubiKey Bio, usb-c-bio", "for the attested key, and signed by it"}},
		{[]string{vector("csr-5.7.4-new-root.pem")}, exit.OK, []string{"Yubico Attestation Root 1", "good for 15 seconds", "Not proved"}},
		{[]string{vector("yubikey-4.3.7-u2f-root.pem")}, exit.Denied, []string{"does not tell its serial number", "Verified     NO"}},
		{[]string{vector("yubikey-4.3.7-u2f-root.pem"), "--root", root}, exit.OK, []string{"yes, to CN=Yubico U2F Root"}},
		{[]string{vector("security-key-fido.pem")}, exit.Denied, []string{"this is a FIDO attestation"}},
	} {
		out, code := show(t, c.args...)
		for _, want := range c.want {
			if code != c.code || !strings.Contains(out, want) {
				t.Errorf("%v: exit %d, want %d with %q\n%s", c.args, code, c.code, want, out)
			}
		}
		if strings.Contains(out, "YSA-2024-03") && strings.Contains(out, "RSA-2048") {
			t.Errorf("%v: an RSA key is said to leak as curves do", c.args)
		}
	}
}

// A clone's request: the statement of another card's key, replayed. The statement is
// genuine, and of no use.
func TestAttestShowsAReplay(t *testing.T) {
	data, err := os.ReadFile(vector("yubikey-5.4.3-fips.pem"))
	if err != nil {
		t.Fatal(err)
	}
	genuine, err := piv.ReadEvidence(data)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var template x509.CertificateRequest
	piv.AddAttestation(&template, genuine.Attestation)
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clone.csr")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := show(t, path, "--json")
	var got attestationInWords
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code != exit.Denied || got.Verified || got.Refusal == nil || got.Refusal.Rule != "attestation.key" || len(got.Chain) != 3 || !got.FIPS {
		t.Errorf("exit %d, %+v", code, got)
	}
}
