package ca_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/ca"
	"signet/ca/catest"
)

func TestKeysAtRest(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		key, err := ca.GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "100% ca.key")
		if err := ca.SaveKey(path, key, []byte("passphrase")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", algorithm, info.Mode(), err)
		}
		back, err := ca.OpenKey(t.Context(), path, []byte("passphrase"))
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if ca.KeyAlgorithm(back.Public()) != algorithm || !bytes.Equal(spki(t, back), spki(t, key)) {
			t.Errorf("%s: another key came back", algorithm)
		}
		openssl(t, "pkey", "-in", path, "-passin", "pass:passphrase", "-noout")
	}
}

func TestOpenKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.key")
	if err := ca.SaveKey(path, catest.Key(t), []byte("passphrase")); err != nil {
		t.Fatal(err)
	}
	if _, err := ca.OpenKey(t.Context(), "softkms:path="+path, []byte("passphrase")); err != nil {
		t.Errorf("by URI: %v", err)
	}
	for name, test := range map[string]struct {
		uri, passphrase string
		is              error
	}{
		"wrong passphrase": {path, "Passphrase", ca.ErrPassphrase},
		"no passphrase":    {path, "", ca.ErrPassphrase},
		"no key":           {path + "x", "passphrase", ca.ErrKeyNotFound},
		"not linked in":    {"pkcs11:token=ca;object=x", "passphrase", nil},
		"unknown kind":     {"abacus:beads=10", "passphrase", nil},
		"PIN in the URI":   {"pkcs11:token=ca?pin-value=123456", "", nil},
	} {
		_, err := ca.OpenKey(t.Context(), test.uri, []byte(test.passphrase))
		if err == nil || (test.is != nil && !errors.Is(err, test.is)) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "Passphrase") || strings.Contains(err.Error(), "123456")) {
			t.Errorf("%s: a secret in %q", name, err)
		}
	}
}

func TestSaveKeyNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.key")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ca.SaveKey(path, catest.Key(t), []byte("passphrase")); !errors.Is(err, os.ErrExist) {
		t.Errorf("SaveKey over a file: %v", err)
	}
	if err := ca.SaveKey(filepath.Join(dir, "new.key"), catest.Key(t), nil); err == nil {
		t.Error("SaveKey without a passphrase: no error")
	}
	data, err := os.ReadFile(path)
	files, _ := os.ReadDir(dir)
	if string(data) != "precious" || err != nil || len(files) != 1 {
		t.Errorf("left behind: %q, %v, %v", data, err, files)
	}
}
