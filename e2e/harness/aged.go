package harness

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// Aged is a certificate that the CA issued, signed once more by the CA's own key
// with other dates and another serial: what it will be when its time has run
// out, without the wait.
func (c *CA) Aged(ctx context.Context, cert *tls.Certificate, notBefore, notAfter time.Time) (*tls.Certificate, error) {
	intermediate, err := c.intermediate(ctx)
	if err != nil {
		return nil, err
	}
	template := *cert.Leaf
	template.SerialNumber = new(big.Int).Add(cert.Leaf.SerialNumber, big.NewInt(1))
	template.NotBefore, template.NotAfter = notBefore, notAfter
	template.RawSubject = cert.Leaf.RawSubject
	der, err := x509.CreateCertificate(rand.Reader, &template, intermediate.cert, cert.Leaf.PublicKey, intermediate.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: cert.PrivateKey, Leaf: leaf}, nil
}

// RunOutAt is a bundle, PEM, of the CRLs of every level, the intermediate's with
// another end, signed by its own key: what a bundle is when the CA was down for
// long.
func (c *CA) RunOutAt(ctx context.Context, bundle []byte, nextUpdate time.Time) ([]byte, error) {
	intermediate, err := c.intermediate(ctx)
	if err != nil {
		return nil, err
	}
	lists, err := crl.Split(bundle)
	if err != nil {
		return nil, err
	}
	for i, der := range lists {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(list.RawIssuer, intermediate.cert.RawSubject) {
			continue
		}
		again := &x509.RevocationList{
			Number: list.Number, ThisUpdate: nextUpdate.Add(-time.Hour), NextUpdate: nextUpdate,
			RevokedCertificateEntries: list.RevokedCertificateEntries,
		}
		if lists[i], err = x509.CreateRevocationList(rand.Reader, again, intermediate.cert, intermediate.key); err != nil {
			return nil, err
		}
		return crl.EncodePEM(lists...), nil
	}
	return nil, errors.New("the bundle has no CRL of the intermediate")
}

// NextUntil is the intermediate's CRL after the one given, DER, that soon ends: the
// last before the CA goes down.
func (c *CA) NextUntil(ctx context.Context, der []byte, nextUpdate time.Time) ([]byte, error) {
	intermediate, err := c.intermediate(ctx)
	if err != nil {
		return nil, err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	next := &x509.RevocationList{
		Number: new(big.Int).Add(list.Number, big.NewInt(1)), ThisUpdate: time.Now(), NextUpdate: nextUpdate,
		RevokedCertificateEntries: list.RevokedCertificateEntries,
	}
	return x509.CreateRevocationList(rand.Reader, next, intermediate.cert, intermediate.key)
}

// Without is a bundle, PEM, that lacks the CRL of one issuer.
func Without(bundle []byte, issuer pkix.Name) ([]byte, error) {
	lists, err := crl.Split(bundle)
	if err != nil {
		return nil, err
	}
	var kept [][]byte
	for _, der := range lists {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, err
		}
		if list.Issuer.String() != issuer.String() {
			kept = append(kept, der)
		}
	}
	if len(kept) != len(lists)-1 {
		return nil, fmt.Errorf("the bundle has no CRL of %q", issuer)
	}
	return crl.EncodePEM(kept...), nil
}

// Fallen is the bundle, PEM, after "signetd root revoke" of the intermediate.
func (c *CA) Fallen(ctx context.Context, bundle []byte) ([]byte, error) {
	root, err := c.FallenRoot(ctx)
	if err != nil {
		return nil, err
	}
	rest, err := Without(bundle, c.Root.Subject)
	if err != nil {
		return nil, err
	}
	return append(rest, crl.EncodePEM(root)...), nil
}

// FallenRoot is the root's CRL, DER, after "signetd root revoke" of the intermediate. That runs
// on a copy: the CA itself goes on as before.
func (c *CA) FallenRoot(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp(filepath.Dir(c.Dir), "fallen-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"signetd.toml", "root.crt", "root.crl", "intermediate.crt", "attestation-roots.pem"} {
		text, err := os.ReadFile(filepath.Join(c.Dir, name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	out, err := exec.CommandContext(ctx, filepath.Join(c.Bin, "signetd"), "root", "revoke", "--dir", dir, "--root", filepath.Join(c.Dir, "root"),
		"--password-file", c.passphrase, "--reason", "cACompromise", "--yes", filepath.Join(dir, "intermediate.crt")).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("signetd root revoke: %w\n%s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "root.crl"))
}

// A signer is a CA certificate with its key, out of the CA's folder.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (c *CA) intermediate(ctx context.Context) (*signer, error) {
	text, err := os.ReadFile(filepath.Join(c.Dir, "intermediate.crt"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("intermediate.crt holds no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	passphrase, err := os.ReadFile(c.passphrase)
	if err != nil {
		return nil, err
	}
	key, err := ca.OpenKey(ctx, filepath.Join(c.Dir, "intermediate.key"), bytes.TrimSpace(passphrase))
	if err != nil {
		return nil, err
	}
	return &signer{cert, key}, nil
}
