package softcard

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// tlvs are the elements of a BER-TLV string by their one-byte tags. Of the
// two-byte tags PIV needs only 7F49, and only in answers.
type tlvs map[byte][]byte

// parseTLVs reads elements up to the end of b.
func parseTLVs(b []byte) (tlvs, bool) {
	out := tlvs{}
	s := cryptobyte.String(b)
	for !s.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !s.ReadAnyASN1(&value, &tag) {
			return nil, false
		}
		out[byte(tag)] = value
	}
	return out, true
}

// parseTemplate reads the elements inside one constructed element.
func parseTemplate(tag byte, b []byte) (tlvs, bool) {
	s := cryptobyte.String(b)
	var inner cryptobyte.String
	if !s.ReadASN1(&inner, cbasn1.Tag(tag)) {
		return nil, false
	}
	return parseTLVs(inner)
}

// has says whether the tag is there, be it empty.
func (t tlvs) has(tag byte) bool {
	_, ok := t[tag]
	return ok
}

// one gives the single byte under a tag, or absent where there is none; ok is
// false if the element is of another length.
func (t tlvs) one(tag, absent byte) (value byte, ok bool) {
	v, there := t[tag]
	if !there {
		return absent, true
	}
	if len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// element encodes a tag, a minimal length and the parts of the value.
func element(tag byte, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(tag), func(b *cryptobyte.Builder) {
		for _, p := range parts {
			b.AddBytes(p)
		}
	})
	return b.BytesOrPanic()
}
