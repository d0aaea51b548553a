package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.step.sm/crypto/kms"
	"go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/kms/uri"
	"go.step.sm/crypto/pemutil"

	"signet/internal/atomicfile"
)

var (
	// ErrPassphrase is what OpenKey returns where the passphrase does not open
	// the key.
	ErrPassphrase = errors.New("the passphrase does not open the key")
	// ErrKeyNotFound is what OpenKey returns where there is no key.
	ErrKeyNotFound = errors.New("no such key")
)

// SaveKey writes key to a new file at path, mode 0600, as an encrypted PKCS#8
// PEM: AES-256, the key derived from passphrase by PBKDF2 with SHA-256. It
// never overwrites: a file at path is an error that is os.ErrExist. The file is
// on disk when it returns.
func SaveKey(path string, key crypto.Signer, passphrase []byte) error {
	if len(passphrase) == 0 {
		return errors.New("saving a key: an empty passphrase protects nothing")
	}
	block, err := pemutil.Serialize(key, pemutil.WithPKCS8(true), pemutil.WithPassword(passphrase))
	if err != nil {
		return fmt.Errorf("saving a key: %w", err)
	}
	if err := createFile(path, pem.EncodeToMemory(block)); err != nil {
		return fmt.Errorf("saving a key: %w", err)
	}
	return nil
}

// createFile writes a file under another name and links it to path, so that
// path never holds half a key and is never written over.
func createFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// OpenKey opens the key that name names: a KMS URI such as
// "softkms:path=/var/lib/signet/intermediate.key" or
// "pkcs11:token=ca;object=intermediate", or just a file's path. passphrase
// opens an encrypted file and is the PIN of a hardware key. Kinds other than
// files must be linked into the program. The error is [ErrKeyNotFound] or
// [ErrPassphrase] where that is what is wrong.
func OpenKey(ctx context.Context, name string, passphrase []byte) (crypto.Signer, error) {
	if strings.Contains(name, "pin-value") {
		return nil, errors.New("opening a key: its URI must not hold the PIN; give it as the passphrase")
	}
	options, err := keyOptions(name, passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening the key %s: %w", name, err)
	}
	manager, err := kms.New(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("opening the key %s: %w", name, err)
	}
	// A signer that lives in hardware needs its manager for as long as the
	// program runs, so the manager is not closed.
	request := &apiv1.CreateSignerRequest{SigningKey: name, PasswordPrompter: noPassphrase}
	if len(passphrase) > 0 {
		request.Password = passphrase
	}
	signer, err := manager.CreateSigner(request)
	if err != nil {
		return nil, fmt.Errorf("opening the key %s: %w", name, keyError(err))
	}
	return signer, nil
}

// noPassphrase stands where the library would ask on the terminal.
func noPassphrase(string) ([]byte, error) { return nil, ErrPassphrase }

func keyOptions(name string, passphrase []byte) (kms.Options, error) {
	if _, err := uri.Parse(name); err != nil {
		return kms.Options{Type: apiv1.SoftKMS}, nil // a path
	}
	kind, err := apiv1.TypeOf(name)
	if err != nil {
		return kms.Options{}, err
	}
	options := kms.Options{Type: kind, URI: name}
	if kind != apiv1.SoftKMS {
		options.Pin = string(passphrase)
	}
	return options, nil
}

// keyError finds out what a person could mend. A wrong passphrase shows itself
// by wrong padding or, once in 256 times, by noise where DER should be.
func keyError(err error) error {
	var structural asn1.StructuralError
	var syntax asn1.SyntaxError
	switch {
	case errors.Is(err, x509.IncorrectPasswordError), errors.As(err, &structural), errors.As(err, &syntax):
		return ErrPassphrase
	case errors.Is(err, apiv1.NotFoundError{}):
		return ErrKeyNotFound
	}
	return err
}
