package ca

import (
	"context"
	"crypto"
	"errors"
)

// ErrPassphrase is what OpenKey returns where the passphrase does not open the key.
var ErrPassphrase = errors.New("the passphrase does not open the key")

// SaveKey writes key to a new file at path.
func SaveKey(path string, key crypto.Signer, passphrase []byte) error {
	return errors.New("keys: in the making")
}

// OpenKey opens the key at uri.
func OpenKey(ctx context.Context, uri string, passphrase []byte) (crypto.Signer, error) {
	return nil, errors.New("keys: in the making")
}
