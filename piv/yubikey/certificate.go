//go:build cgo || windows

package yubikey

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"io"

	"signet/piv"
)

// A certificate's object: NIST SP 800-73-4, Part 1, Table 10.
const (
	tagCertificate = 0x70
	tagCertInfo    = 0x71
	tagCheck       = 0xfe // error detection, always empty

	infoGzip = 0x01
)

// maxCertificate bounds a certificate once it is unpacked, in bytes.
const maxCertificate = 64 << 10

func (c *card) Certificate(ctx context.Context, s piv.Slot) (*x509.Certificate, error) {
	return fromOurs(ctx, c, func(l *link) (*x509.Certificate, error) {
		doing := "reading the certificate in slot " + s.String()
		b, err := l.get(certificateObject(s))
		if err != nil {
			return nil, mapError(doing, err)
		}
		der, err := parseCertificate(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		return cert, nil
	})
}

// SetCertificate compresses only what the card doesn't take otherwise: not every
// program can read a compressed one.
func (c *card) SetCertificate(ctx context.Context, s piv.Slot, cert *x509.Certificate) error {
	return c.managed(ctx, func(l *link) error {
		doing := "writing the certificate to slot " + s.String()
		size := 0
		for _, pack := range []bool{false, true} {
			b, err := certificateValue(cert.Raw, pack)
			if err != nil {
				return fmt.Errorf("%s: %w", doing, err)
			}
			if size = len(b); size > maxObject {
				continue
			}
			if err = l.put(certificateObject(s), b); statusOf(err) != swNoMemory {
				return mapManagement(doing, err)
			}
		}
		if size > maxObject {
			return fmt.Errorf("%s: %w: compressed it has %d bytes, and a card takes %d", doing, piv.ErrFull, size, maxObject)
		}
		return fmt.Errorf("%s: %w", doing, piv.ErrFull)
	})
}

func (c *card) DeleteCertificate(ctx context.Context, s piv.Slot) error {
	return c.managed(ctx, func(l *link) error {
		err := l.put(certificateObject(s), nil)
		if statusOf(err) == swNotFound {
			return nil // there was none
		}
		return mapManagement("deleting the certificate in slot "+s.String(), err)
	})
}

// certificateValue is the object of a certificate.
func certificateValue(der []byte, pack bool) ([]byte, error) {
	info := byte(0)
	if pack {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(der); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		der, info = packed.Bytes(), infoGzip
	}
	return fields{{tagCertificate, der}, {tagCertInfo, []byte{info}}, {tagCheck, nil}}.bytes(), nil
}

// parseCertificate is the DER in a certificate's object.
func parseCertificate(object []byte) ([]byte, error) {
	f, err := parseFields(object)
	if err != nil {
		return nil, err
	}
	der, ok := f.find(tagCertificate)
	if !ok {
		return nil, errTLV
	}
	if info, _ := f.find(tagCertInfo); len(info) == 0 || info[0]&infoGzip == 0 {
		return der, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(der))
	if err != nil {
		return nil, fmt.Errorf("unpacking the certificate: %w", err)
	}
	der, err = io.ReadAll(io.LimitReader(r, maxCertificate+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking the certificate: %w", err)
	}
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("the certificate has more than %d bytes", maxCertificate)
	}
	return der, nil
}
