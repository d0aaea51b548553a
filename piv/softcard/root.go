package softcard

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// RootName is the common name of every attestation root of this package.
const RootName = "Signet Software Card Attestation Root (no hardware, for tests)"

// RootFile is the file, with certificate and key, that LoadRoot keeps.
const RootFile = "attestation-root.pem"

const attestationKeyBits = 2048

// Root is an attestation root: what Yubico's is to its keys, for cards that
// are only software.
type Root struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// validity is that of Yubico's own PIV root; no clock of a test is outside it.
func validity() (from, to time.Time) {
	return time.Date(2016, 3, 14, 0, 0, 0, 0, time.UTC), time.Date(2052, 4, 17, 0, 0, 0, 0, time.UTC)
}

// NewRoot makes a root. It takes the time of an RSA key.
func NewRoot() (*Root, error) {
	key, err := rsa.GenerateKey(rand.Reader, attestationKeyBits)
	if err != nil {
		return nil, fmt.Errorf("making an attestation root: %w", err)
	}
	from, to := validity()
	cert, err := issue(&x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: RootName},
		NotBefore:             from,
		NotAfter:              to,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            1,
	}, nil, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making an attestation root: %w", err)
	}
	return &Root{key: key, cert: cert}, nil
}

// LoadRoot reads the root in a directory, or makes it. Processes that make it
// at the same time end up with the same one.
func LoadRoot(dir string) (*Root, error) {
	path := filepath.Join(dir, RootFile)
	r, err := readRoot(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if r, err = NewRoot(); err != nil {
		return nil, err
	}
	if err := r.publish(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("keeping the attestation root: %w", err)
	}
	return readRoot(path)
}

// publish writes the whole file, and only then gives it its name, unless
// another has it already.
func (r *Root) publish(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(r.key)
	if err != nil {
		return err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	f, err := os.CreateTemp(filepath.Dir(path), RootFile+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(r.PEM(), private...))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

func readRoot(path string) (*Root, error) {
	b, err := readBounded(path, 1<<16)
	if err != nil {
		return nil, err
	}
	certBlock, rest := pem.Decode(b)
	keyBlock, _ := pem.Decode(rest)
	if certBlock == nil || keyBlock == nil {
		return nil, fmt.Errorf("%s does not hold a certificate and a key", path)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%s: the key is not the certificate's: %w", path, errors.Join(err))
	}
	return &Root{key: key, cert: cert}, nil
}

// Certificate is the root's own certificate.
func (r *Root) Certificate() *x509.Certificate { return r.cert }

// PEM is the root's certificate in PEM.
func (r *Root) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw})
}
