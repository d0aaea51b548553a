//go:build cgo || windows

package yubikey

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"signet/piv"
)

// A management key that the card keeps under its PIN stands where Yubico's
// programs look for it (ykman/piv.py, PivmanData and PivmanProtectedData): the key in
// the object for printed information, as 88{89 key}, and in the open object 5FFF00, as
// 80{81 flags, 82 salt, 83 time}, that it is there.
const (
	tagKept    = 0x88
	tagKeptKey = 0x89

	tagAdmin      = 0x80
	adminFlags    = 0x81
	adminSalt     = 0x82 // for a key derived from the PIN, Yubico's former way
	flagProtected = 0x02
)

// kept is the key that the card keeps; nil where it keeps none. It wants the PIN.
func (l *link) kept() ([]byte, error) {
	b, err := l.get(objectPrinted)
	if statusOf(err) == swNotFound || errors.Is(err, errTLV) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseKept(b), nil
}

// parseKept is nil for what is something else.
func parseKept(b []byte) []byte {
	f, err := parseFields(b)
	if err != nil {
		return nil
	}
	if f, err = f.inside(tagKept); err != nil {
		return nil
	}
	key, _ := f.find(tagKeptKey)
	return bytes.Clone(key)
}

// keep stores a key and says so. It wants the management key in force.
func (l *link) keep(key []byte) error {
	err := l.put(objectPrinted, element(tagKept, element(tagKeptKey, key)))
	if statusOf(err) == swNotFound {
		return fmt.Errorf("%w: it has no object for it", piv.ErrUnsupported)
	}
	if err != nil {
		return err
	}
	return l.sayKept()
}

// sayKept says that the card keeps its management key, unless it does. Others' cards may not
// have the object, and a full one no room for it: that is no failure, since we find the
// key without it.
func (l *link) sayKept() error {
	a, err := l.admin()
	if err != nil {
		return err
	}
	if _, derived := a.find(adminSalt); a.protected() && !derived {
		return nil
	}
	if err := l.put(objectAdmin, a.keeping().bytes()); statusOf(err) == 0 {
		return err
	}
	return nil
}

// admin is what the card says of its management key.
type admin struct{ fields }

// admin reads it: nothing where the card says nothing that we understand.
func (l *link) admin() (admin, error) {
	b, err := l.get(objectAdmin)
	if statusOf(err) != 0 || errors.Is(err, errTLV) {
		return admin{}, nil
	}
	return parseAdmin(b), err
}

func parseAdmin(b []byte) admin {
	f, err := parseFields(b)
	if err != nil {
		return admin{}
	}
	if f, err = f.inside(tagAdmin); err != nil {
		return admin{}
	}
	return admin{f}
}

func (a admin) flags() byte {
	v, _ := a.find(adminFlags)
	if len(v) != 1 {
		return 0
	}
	return v[0]
}

func (a admin) protected() bool { return a.flags()&flagProtected != 0 }

// keeping is a with the key kept under the PIN, not derived from it, and the rest as it
// was. No time is added: ykman 4 can't write back what holds one.
func (a admin) keeping() admin {
	rest := slices.DeleteFunc(slices.Clone(a.fields), func(f field) bool { return f.tag == adminFlags || f.tag == adminSalt })
	return admin{append(fields{{adminFlags, []byte{a.flags() | flagProtected}}}, rest...)}
}

func (a admin) bytes() []byte { return element(tagAdmin, a.fields.bytes()) }
