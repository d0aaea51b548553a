package certfile

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// published is a file of two certificates and more.
const published = "../../piv/roots/yubico-piv-intermediates.pem"

func TestRead(t *testing.T) {
	text, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Read(published)
	if n := bytes.Count(text, []byte("-----BEGIN CERTIFICATE-----")); err != nil || n < 2 || len(all) != n {
		t.Fatalf("%d of %d certificates: %v", len(all), n, err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")})
	if again, err := Parse(append(key, text...)); err != nil || len(again) != len(all) || !again[0].Equal(all[0]) {
		t.Errorf("behind a key: %d, %v", len(again), err)
	}
	if one, err := Parse(all[1].Raw); err != nil || len(one) != 1 || !one[0].Equal(all[1]) {
		t.Errorf("DER: %v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.pem")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

// TestHalfAChainIsNone: what stands before and behind a broken certificate is whole.
func TestHalfAChainIsNone(t *testing.T) {
	text, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty":       "",
		"prose":       "certificates",
		"a key":       string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")})),
		"cut off":     string(text[:len(text)-100]),
		"no end":      strings.Replace(string(text), "-----END CERTIFICATE-----", "", 1),
		"not base64":  strings.Replace(string(text), "MII", "!!!", 1),
		"no X.509":    string(text) + string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: []byte("none")})),
		"two in DER":  string(doubled(t, text)),
		"half of DER": string(doubled(t, text)[:100]),
	} {
		if certs, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%s: %d certificates", name, len(certs))
		}
	}
}

func doubled(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	return append(bytes.Clone(block.Bytes), block.Bytes...)
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(published)
	if err != nil {
		f.Fatal(err)
	}
	block, _ := pem.Decode(text)
	f.Add(text)
	f.Add(block.Bytes)
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := Parse(data)
		if err == nil && len(certs) == 0 {
			t.Error("neither certificates nor an error")
		}
		for _, c := range certs {
			if _, err := x509.ParseCertificate(c.Raw); err != nil {
				t.Error(err)
			}
		}
	})
}
