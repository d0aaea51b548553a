//go:build cgo || windows

package yubikey

import "errors"

// Objects are BER-TLV with tags of one byte. Unlike DER, lengths need not be
// the shortest: other programs write 82 00 05.

// field is one element.
type field struct {
	tag   byte
	value []byte
}

// fields are the elements of a value, in their order.
type fields []field

var errTLV = errors.New("not well-formed TLV")

// parseFields reads elements up to the end of b.
func parseFields(b []byte) (fields, error) {
	var all fields
	for len(b) > 0 {
		n, head := tlvLength(b[1:])
		if head == 0 || len(b)-1-head < n {
			return nil, errTLV
		}
		start := 1 + head
		all = append(all, field{b[0], b[start : start+n]})
		b = b[start+n:]
	}
	return all, nil
}

// tlvLength reads a length, and says in how many bytes it stands; 0 where there is none.
func tlvLength(b []byte) (n, head int) {
	if len(b) == 0 {
		return 0, 0
	}
	if b[0] < 0x80 {
		return int(b[0]), 1
	}
	count := int(b[0] & 0x7f)
	if count == 0 || count > 3 || len(b) < 1+count {
		return 0, 0
	}
	for _, x := range b[1 : 1+count] {
		n = n<<8 | int(x)
	}
	return n, 1 + count
}

// inside reads the elements within the first element of that tag.
func (f fields) inside(tag byte) (fields, error) {
	v, ok := f.find(tag)
	if !ok {
		return nil, errTLV
	}
	return parseFields(v)
}

// find gives the first element of a tag.
func (f fields) find(tag byte) ([]byte, bool) {
	for _, e := range f {
		if e.tag == tag {
			return e.value, true
		}
	}
	return nil, false
}

// bytes encodes the elements again.
func (f fields) bytes() []byte {
	var b []byte
	for _, e := range f {
		b = append(b, element(e.tag, e.value)...)
	}
	return b
}

// element encodes one element of at most 65,535 bytes.
func element(tag byte, value []byte) []byte {
	n := len(value)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, value...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, value...)
	}
	return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, value...)
}
