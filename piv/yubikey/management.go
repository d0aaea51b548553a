//go:build cgo || windows

package yubikey

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"errors"
	"fmt"

	"signet/piv"
)

// cipherKind is a management key's algorithm: NIST SP 800-78-4, Table 6-2.
type cipherKind byte

const (
	tripleDES cipherKind = 0x03
	aes128    cipherKind = 0x08
	aes192    cipherKind = 0x0a
	aes256    cipherKind = 0x0c
)

func (k cipherKind) String() string {
	switch k {
	case tripleDES:
		return "3DES"
	case aes128:
		return "AES-128"
	case aes192:
		return "AES-192"
	case aes256:
		return "AES-256"
	}
	return fmt.Sprintf("algorithm %02x", byte(k))
}

// size is a key's length in bytes.
func (k cipherKind) size() int {
	switch k {
	case aes128:
		return 16
	case aes256:
		return 32
	}
	return 24
}

func (k cipherKind) block(key []byte) (cipher.Block, error) {
	switch {
	case len(key) != k.size():
		return nil, fmt.Errorf("%s keys have %d bytes", k, k.size())
	case k == tripleDES:
		return des.NewTripleDESCipher(key)
	}
	return aes.NewCipher(key)
}

// factoryManagement is what cards leave the factory with, as 3DES or, from 5.7 on, AES-192.
var factoryManagement = bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)

// kind is the present management key's. Before 5.3 a card doesn't tell, and
// had nothing but 3DES.
func (l *link) kind(fw piv.Version) (cipherKind, error) {
	if fw.Less(piv.Version{5, 3, 0}) {
		return tripleDES, nil
	}
	m, err := l.metadata(refManagement)
	if statusOf(err) != 0 {
		return tripleDES, nil // another maker's
	}
	if err != nil {
		return 0, err
	}
	alg, ok := m.find(0x01)
	if !ok || len(alg) != 1 {
		return 0, errTLV
	}
	if alg[0] == 0 { // another name of 03
		return tripleDES, nil
	}
	return cipherKind(alg[0]), nil
}

// metadata is GET METADATA, Yubico's, from 5.3 on.
func (l *link) metadata(ref byte) (fields, error) {
	b, err := l.send(command{ins: insMetadata, p2: ref})
	if err != nil {
		return nil, err
	}
	return parseFields(b)
}

// authenticate proves the management key to the card, and has the card prove
// it to us: NIST SP 800-73-4, Part 2, Section 3.2.4 and Appendix A.1.
func (l *link) authenticate(kind cipherKind, key []byte) error {
	block, err := kind.block(key)
	if err != nil {
		return errRefused
	}
	size := block.BlockSize()
	witness, err := l.authTemplate(kind, 0x80, fields{{0x80, nil}}, size)
	if err != nil {
		return err
	}
	challenge, want := random(size), make([]byte, size)
	block.Decrypt(witness, witness)
	block.Encrypt(want, challenge)
	answer, err := l.authTemplate(kind, 0x82, fields{{0x80, witness}, {0x81, challenge}}, size)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(answer, want) != 1 {
		return errRefused
	}
	return nil
}

// errRefused is a management key that isn't the card's.
var errRefused = errors.New("the card refuses the management key")

// authTemplate sends one step of the authentication, and gives the element of the
// answer that is wanted.
func (l *link) authTemplate(kind cipherKind, want byte, step fields, size int) ([]byte, error) {
	b, err := l.send(command{ins: insAuthenticate, p1: byte(kind), p2: refManagement, data: element(0x7c, step.bytes())})
	if err != nil {
		return nil, err
	}
	f, err := parseFields(b)
	if err != nil {
		return nil, err
	}
	if f, err = f.inside(0x7c); err != nil {
		return nil, err
	}
	v, ok := f.find(want)
	if !ok || len(v) != size {
		return nil, errTLV
	}
	return bytes.Clone(v), nil
}

// takes reports whether the card takes a management key.
func (c *card) takes(l *link, key []byte) (bool, error) {
	kind, err := l.kind(c.info.Firmware)
	if err != nil {
		return false, mapError("asking for the management key's kind", err)
	}
	c.trusting = true
	err = l.authenticate(kind, key)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errRefused), errors.Is(err, errTLV), statusOf(err) != 0:
		return false, nil
	}
	return false, mapError("trying the management key", err)
}

// managed gives f the card with the management key proven.
func (c *card) managed(ctx context.Context, f func(*link) error) error {
	return c.ours(ctx, func(l *link) error {
		if c.management == nil {
			return piv.ErrManagement
		}
		ok, err := c.takes(l, c.management)
		if err != nil {
			return err
		}
		if !ok {
			return piv.ErrManagement
		}
		return f(l)
	})
}

func (c *card) Management(ctx context.Context) (piv.Management, error) {
	return fromOurs(ctx, c, func(l *link) (m piv.Management, err error) {
		kind, err := l.kind(c.info.Firmware)
		if err != nil {
			return m, mapError("asking for the management key's kind", err)
		}
		m.Algorithm = kind.String()
		if m.Factory, err = c.takes(l, factoryManagement); err != nil {
			return m, err
		}
		admin, err := l.admin()
		m.Protected = admin.protected()
		_, m.Derived = admin.find(adminSalt)
		return m, mapError("reading what is said of the management key", err)
	})
}

func (c *card) FactoryManagementKey(ctx context.Context) (bool, error) {
	return fromOurs(ctx, c, func(l *link) (bool, error) { return c.takes(l, factoryManagement) })
}

// NewManagementKey keeps the key under the PIN first, then says that it is
// there, then sets it. Cut after any of these, the card takes either the
// factory's or the one that it keeps.
func (c *card) NewManagementKey(ctx context.Context, pin string) error {
	return c.ours(ctx, func(l *link) error {
		if err := c.verify(l, pin); err != nil {
			return err
		}
		if ok, err := c.takes(l, factoryManagement); err != nil || !ok {
			return errors.Join(err, piv.ErrManagement)
		}
		kind, err := l.kind(c.info.Firmware)
		if err != nil {
			return mapError("asking for the management key's kind", err)
		}
		key := random(kind.size())
		if err := l.keep(key); err != nil {
			return mapManagement("storing the management key on the card", err)
		}
		set := append([]byte{byte(kind), refManagement, byte(len(key))}, key...)
		if _, err := l.send(command{ins: insSetManagement, p1: 0xff, p2: 0xff, data: set}); err != nil {
			return mapManagement("setting the management key", err)
		}
		c.management = key
		return nil
	})
}

// UseManagementKey says of a key that the card keeps, where nothing does, that it is there:
// Signet did not always, and Yubico's programs look nowhere else.
func (c *card) UseManagementKey(ctx context.Context, pin string) error {
	return c.ours(ctx, func(l *link) error {
		if err := c.verify(l, pin); err != nil {
			return err
		}
		kept, err := l.kept()
		if err != nil {
			return mapError("reading the management key", err)
		}
		if kept != nil {
			if ok, err := c.takes(l, kept); err != nil {
				return err
			} else if ok {
				c.management = kept
				return mapError("saying that the card keeps its management key", l.sayKept())
			}
		}
		ok, err := c.takes(l, factoryManagement)
		if err != nil {
			return err
		}
		if !ok {
			return piv.ErrManagement
		}
		c.management = bytes.Clone(factoryManagement)
		return nil
	})
}
