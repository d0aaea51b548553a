package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"signet/ca"
	"signet/enroll"
	"signet/internal/certfile"
	"signet/internal/exit"
	"signet/revocation/ocsp"
)

// The files in the data folder that the configuration does not name.
const (
	serverCert = "server.crt"
	serverKey  = "server.key"
	ocspCert   = "ocsp.crt"
	ocspKey    = "ocsp.key"
)

// A keyring is the keys that a server needs, opened.
type keyring struct {
	issuer *ca.Issuer
	server crypto.Signer // of the TLS certificate; nil where that is another CA's
	ocsp   ocsp.Signer   // the one to begin with; zero where it is no longer there
	// escrow is nil where there is none, or where it can't be opened, because of escrowErr:
	// no reason for a CA not to run.
	escrow    *enroll.EscrowKey
	escrowErr error
}

// openKeys opens them with the passphrase that the configuration or the
// terminal gives, which is forgotten afterwards.
func openKeys(ctx context.Context, conf *Config) (*keyring, error) {
	passphrase, err := secretSource{What: "passphrase of the CA's keys", File: conf.passwordFile()}.read()
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	signer, err := openKey(ctx, conf.key(), passphrase)
	if err != nil {
		return nil, err
	}
	k := &keyring{}
	if k.issuer, err = newIssuer(conf, signer); err != nil {
		return nil, err
	}
	if conf.TLS.Certificate == "" {
		if k.server, err = openKey(ctx, conf.path(serverKey), passphrase); err != nil {
			return nil, err
		}
	}
	k.escrow, k.escrowErr = openEscrow(conf, passphrase)
	k.ocsp, err = openOCSP(ctx, conf, passphrase)
	return k, err
}

func openKey(ctx context.Context, name string, passphrase []byte) (crypto.Signer, error) {
	signer, err := ca.OpenKey(ctx, name, passphrase)
	switch {
	case errors.Is(err, ca.ErrPassphrase):
		return nil, exit.With(exit.Denied, err, "It is the one that was given to \"signetd init\".")
	case errors.Is(err, ca.ErrKeyNotFound):
		return nil, exit.With(exit.NotFound, err, "\"signetd init\" completes what is missing, but for a CA's key: restore that from a backup.")
	}
	return signer, err
}

// openOCSP opens the OCSP signer in the data folder: init made it, and the server
// keeps its certificate current. It can do without: then it makes another one in memory.
func openOCSP(ctx context.Context, conf *Config, passphrase []byte) (ocsp.Signer, error) {
	if !exists(conf.path(ocspKey)) || !exists(conf.path(ocspCert)) {
		return ocsp.Signer{}, nil
	}
	cert, err := readCertificate(conf.path(ocspCert))
	if err != nil {
		return ocsp.Signer{}, err
	}
	key, err := openKey(ctx, conf.path(ocspKey), passphrase)
	return ocsp.Signer{Certificate: cert, Key: key}, err
}

// newIssuer makes the issuer of the configured certificates and a signer.
func newIssuer(conf *Config, signer crypto.Signer) (*ca.Issuer, error) {
	chain, err := certfile.Read(conf.path(conf.Intermediate.Certificate))
	if err != nil {
		return nil, fmt.Errorf("intermediate.certificate: %w", err)
	}
	root, err := readCertificate(conf.path(conf.Root.Certificate))
	if err != nil {
		return nil, fmt.Errorf("root.certificate: %w", err)
	}
	above := append(chain[1:len(chain):len(chain)], root)
	if chain[len(chain)-1].Equal(root) {
		above = chain[1:]
	}
	issuer, err := ca.NewIssuer(chain[0], above, signer)
	if err != nil {
		return nil, fmt.Errorf("the intermediate: %w", err)
	}
	return issuer, nil
}

// sealedIssuer is the issuer for a command that signs nothing, and so asks for
// no passphrase.
func sealedIssuer(conf *Config) (*ca.Issuer, error) {
	cert, err := readCertificate(conf.path(conf.Intermediate.Certificate))
	if err != nil {
		return nil, fmt.Errorf("intermediate.certificate: %w", err)
	}
	return newIssuer(conf, sealed{cert})
}

// sealed is the key of a certificate in a process that has not opened it.
type sealed struct{ cert *x509.Certificate }

func (s sealed) Public() crypto.PublicKey { return s.cert.PublicKey }

func (sealed) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the CA's key has not been opened")
}
