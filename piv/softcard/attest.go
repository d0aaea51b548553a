package softcard

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// attest is ATTEST, Yubico's extension: a certificate that says of a key that
// it was generated in this card. There is none for an empty slot, nor for a
// key that was imported.
func (c *Card) attest(cmd command) answer {
	slot := slotID(cmd.p1)
	k := c.st.Keys[slot]
	if k == nil || k.origin != originGenerated || slot == slotAttestation {
		return status(swWrongData)
	}
	device, err := c.device()
	if err != nil {
		return status(swMemory)
	}
	cert, err := device.Attest(byte(slot), k.private.Public(), k.pin, k.touch)
	if err != nil {
		return status(swInternal)
	}
	return success(cert.Raw)
}

// device is the card's attestation key and certificate, which the owner may
// have replaced with others.
func (c *Card) device() (*Device, error) {
	if err := c.ensureAttestation(); err != nil {
		return nil, err
	}
	cert, err := parseCertificateObject(c.st.Objects[objectAttestation])
	if err != nil {
		return nil, err
	}
	signer, ok := c.st.Keys[slotAttestation].private.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key in f9 cannot sign")
	}
	return &Device{
		serial: c.st.Serial, firmware: c.st.Firmware, formFactor: c.st.FormFactor,
		key: signer, cert: cert,
	}, nil
}

// ensureAttestation makes f9's key and certificate when they are first wanted:
// RSA takes its time, and most cards of a test never attest.
func (c *Card) ensureAttestation() error {
	if c.st.Keys[slotAttestation] != nil {
		return nil
	}
	root, err := c.root()
	if err != nil {
		return err
	}
	d, err := root.NewDevice(c.st.Serial, c.st.Firmware)
	if err != nil {
		return err
	}
	private, ok := d.key.(*rsa.PrivateKey)
	if !ok {
		return errors.New("the attestation key is not RSA")
	}
	c.st.Keys[slotAttestation] = &key{algRSA2048, PINNever, TouchNever, originGenerated, private}
	c.st.Objects[objectAttestation] = certificateObject(d.cert)
	return c.save()
}

func (c *Card) root() (*Root, error) {
	if c.cfg.Root == nil {
		r, err := NewRoot()
		if err != nil {
			return nil, err
		}
		c.cfg.Root = r
	}
	return c.cfg.Root, nil
}

// Root is the root to which the card's attestations chain, unless its state
// file was made with another.
func (c *Card) Root() (*Root, error) {
	c.work.Lock()
	defer c.work.Unlock()
	return c.root()
}

// certificateObject wraps a certificate as a card stores it: NIST SP 800-73-4
// Part 1, Appendix A, Table 10. 71 00 says that it is not compressed.
func certificateObject(cert *x509.Certificate) []byte {
	return append(element(0x70, cert.Raw), 0x71, 0x01, 0x00, 0xFE, 0x00)
}

func parseCertificateObject(b []byte) (*x509.Certificate, error) {
	s := cryptobyte.String(b)
	var der cryptobyte.String
	if !s.ReadASN1(&der, cbasn1.Tag(0x70)) {
		return nil, fmt.Errorf("no certificate in the object")
	}
	return x509.ParseCertificate(der)
}
