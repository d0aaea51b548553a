package softcard

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// Yubico's arc, and what stands under it in attestations.
func yubico(arc ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482}, arc...)
}

// Device is the attestation side of one card: its serial number, firmware,
// and the key and certificate of f9. It needs no Card.
type Device struct {
	serial     uint32
	firmware   Version
	formFactor byte
	key        crypto.Signer
	cert       *x509.Certificate
}

// NewDevice makes the attestation key of a card and has the root certify it.
// Each alter may change the certificate before it is signed, for tests of what
// a verifier must refuse.
func (r *Root) NewDevice(serial uint32, fw Version, alter ...func(*x509.Certificate)) (*Device, error) {
	key, err := rsa.GenerateKey(rand.Reader, attestationKeyBits)
	if err != nil {
		return nil, fmt.Errorf("making an attestation key: %w", err)
	}
	from, to := validity()
	t := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: "Yubico PIV Attestation"},
		NotBefore:             from,
		NotAfter:              to,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		ExtraExtensions:       []pkix.Extension{{Id: yubico(3, 3), Value: fw[:]}},
	}
	for _, f := range alter {
		f(t)
	}
	cert, err := issue(t, r.cert, key.Public(), r.key)
	if err != nil {
		return nil, fmt.Errorf("certifying an attestation key: %w", err)
	}
	return &Device{serial: serial, firmware: fw, formFactor: 0x01, key: key, cert: cert}, nil
}

// Certificate is the certificate of f9.
func (d *Device) Certificate() *x509.Certificate { return d.cert }

// WithFormFactor is the same device in another shape: 01 USB-A keychain, 02
// USB-A nano, 03 USB-C keychain, 04 USB-C nano, 05 Lightning; 80 added: FIPS.
func (d *Device) WithFormFactor(f byte) *Device {
	other := *d
	other.formFactor = f
	return &other
}

// Attest certifies that pub was generated in a slot (0x9A, …) with these
// policies. Each alter may change the certificate before it is signed: the
// four extensions under Yubico's arc are in ExtraExtensions, in the order 3.3
// firmware, 3.7 serial number, 3.8 policies, 3.9 form factor.
func (d *Device) Attest(slot byte, pub crypto.PublicKey, pin PINPolicy, touch TouchPolicy,
	alter ...func(*x509.Certificate)) (*x509.Certificate, error) {
	serial, err := asn1.Marshal(int64(d.serial))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: "YubiKey PIV Attestation " + slotID(slot).String()},
		NotBefore:    d.cert.NotBefore,
		NotAfter:     d.cert.NotAfter,
		ExtraExtensions: []pkix.Extension{
			{Id: yubico(3, 3), Value: d.firmware[:]},
			{Id: yubico(3, 7), Value: serial},
			{Id: yubico(3, 8), Value: []byte{byte(pin), byte(touch)}},
			{Id: yubico(3, 9), Value: []byte{d.formFactor}},
		},
	}
	for _, f := range alter {
		f(t)
	}
	issuer := *d.cert
	issuer.SubjectKeyId = nil // a YubiKey writes no authority key identifier
	cert, err := issue(t, &issuer, pub, d.key)
	if err != nil {
		return nil, fmt.Errorf("attesting slot %s: %w", slotID(slot), err)
	}
	return cert, nil
}
