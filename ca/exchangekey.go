package ca

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.step.sm/crypto/pemutil"
)

// encryptedKey is the PEM type of an encrypted PKCS#8 (RFC 7468, Section 11).
const encryptedKey = "ENCRYPTED PRIVATE KEY"

// maxKeyFile bounds a file with a key, in octets.
const maxKeyFile = 64 << 10

// SaveExchangeKey is [SaveKey] for a key that agrees on secrets and signs nothing.
func SaveExchangeKey(path string, key *ecdh.PrivateKey, passphrase []byte) error {
	if len(passphrase) == 0 {
		return errors.New("saving a key: an empty passphrase protects nothing")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("saving a key: %w", err)
	}
	defer clear(der)
	block, err := pemutil.EncryptPKCS8PrivateKey(rand.Reader, der, passphrase, pemutil.DefaultEncCipher)
	if err != nil {
		return fmt.Errorf("saving a key: %w", err)
	}
	if err := createFile(path, pem.EncodeToMemory(block)); err != nil {
		return fmt.Errorf("saving a key: %w", err)
	}
	return nil
}

// OpenExchangeKey opens a file that SaveExchangeKey wrote: [ErrKeyNotFound] where
// there is none, [ErrPassphrase] where the passphrase doesn't open it.
func OpenExchangeKey(path string, passphrase []byte) (*ecdh.PrivateKey, error) {
	key, err := openExchangeKey(path, passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening the key %s: %w", path, err)
	}
	return key, nil
}

// CheckExchangeKey reports what is wrong with the key file at path as far as can be told without its
// passphrase: [ErrKeyNotFound], or that it is none.
func CheckExchangeKey(path string) error {
	if _, err := readExchangeKey(path); err != nil {
		return fmt.Errorf("the key %s: %w", path, err)
	}
	return nil
}

func readExchangeKey(path string) (*pem.Block, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrKeyNotFound
	case err != nil:
		return nil, err
	case info.Size() > maxKeyFile:
		return nil, errors.New("this is no key: the file is too long")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != encryptedKey {
		return nil, errors.New("there is no encrypted key in it")
	}
	return block, nil
}

func openExchangeKey(path string, passphrase []byte) (*ecdh.PrivateKey, error) {
	block, err := readExchangeKey(path)
	if err != nil {
		return nil, err
	}
	der, err := pemutil.DecryptPKCS8PrivateKey(block.Bytes, passphrase)
	if err != nil {
		return nil, keyError(err)
	}
	defer clear(der)
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, keyError(err)
	}
	exchange, ok := key.(*ecdh.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key of type %T, where one of X25519 was due", key)
	}
	return exchange, nil
}
