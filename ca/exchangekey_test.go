package ca_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"signet/ca"
)

func TestAnExchangeKeyIsSavedAndOpened(t *testing.T) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "escrow.key")
	if _, err := ca.OpenExchangeKey(path, []byte("passphrase")); !errors.Is(err, ca.ErrKeyNotFound) {
		t.Errorf("none: %v", err)
	}
	if err := ca.SaveExchangeKey(path, key, nil); err == nil {
		t.Error("an empty passphrase was taken")
	}
	if err := ca.SaveExchangeKey(path, key, []byte("passphrase")); err != nil {
		t.Fatal(err)
	}
	if err := ca.SaveExchangeKey(path, key, []byte("another")); !errors.Is(err, os.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := ca.OpenExchangeKey(path, []byte("another")); !errors.Is(err, ca.ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	again, err := ca.OpenExchangeKey(path, []byte("passphrase"))
	if err != nil || !again.Equal(key) {
		t.Errorf("%v", err)
	}
	signing := filepath.Join(t.TempDir(), "signing.key")
	other, err := ca.GenerateKey("P-256")
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.SaveKey(signing, other, []byte("passphrase")); err != nil {
		t.Fatal(err)
	}
	if _, err := ca.OpenExchangeKey(signing, []byte("passphrase")); err == nil {
		t.Error("a signing key was taken")
	}
}
