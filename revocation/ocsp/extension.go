package ocsp

import (
	encoding_asn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// MaxNonce is the longest nonce that is taken, in octets. RFC 9654, Section 2.1
// raised the 32 octets of RFC 8954 to this: none and more are refused as malformed.
// 32 is the length that it asks of clients.
const MaxNonce = 128

// readExtensions reads an Extensions of which it knows only the nonce, if
// nonce is not nil. RFC 6960, Section 4.4: unknown ones are ignored unless they
// are critical.
func readExtensions(in cryptobyte.String, nonce *[]byte) error {
	var list cryptobyte.String
	if !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() {
		return fmt.Errorf("%w: extensions", ErrMalformed)
	}
	for !list.Empty() {
		var ext, value cryptobyte.String
		var oid encoding_asn1.ObjectIdentifier
		var critical bool
		if !list.ReadASN1(&ext, asn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&oid) ||
			!readCritical(&ext, &critical) ||
			!ext.ReadASN1(&value, asn1.OCTET_STRING) || !ext.Empty() {
			return fmt.Errorf("%w: extension", ErrMalformed)
		}
		switch {
		case nonce != nil && oid.Equal(oidNonce):
			if err := readNonce(value, nonce); err != nil {
				return err
			}
		case critical:
			return fmt.Errorf("%w: unknown critical extension %v", ErrMalformed, oid)
		}
	}
	return nil
}

func readCritical(in *cryptobyte.String, out *bool) bool {
	if !in.PeekASN1Tag(asn1.BOOLEAN) {
		return true
	}
	return in.ReadASN1Boolean(out)
}

// readNonce reads the Nonce, an OCTET STRING within the extension's own (RFC
// 9654, Section 2.1).
func readNonce(value cryptobyte.String, nonce *[]byte) error {
	var n []byte
	if *nonce != nil || !value.ReadASN1Bytes(&n, asn1.OCTET_STRING) || !value.Empty() {
		return fmt.Errorf("%w: nonce", ErrMalformed)
	}
	if len(n) < 1 || len(n) > MaxNonce {
		return fmt.Errorf("%w: a nonce of %d octets; 1 to %d are allowed", ErrMalformed, len(n), MaxNonce)
	}
	*nonce = n
	return nil
}

// addNonce adds an Extensions with the nonce alone, in the context-specific tag.
func addNonce(b *cryptobyte.Builder, tag uint8, nonce []byte) {
	if nonce == nil {
		return
	}
	b.AddASN1(explicit(tag), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidNonce)
				b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
			})
		})
	})
}

// explicit is the tag [n] EXPLICIT; implicit is [n] IMPLICIT of a primitive type.
func explicit(n uint8) asn1.Tag { return asn1.Tag(n).Constructed().ContextSpecific() }
func implicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific() }
