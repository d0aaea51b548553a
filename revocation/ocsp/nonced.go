package ocsp

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// SplitNonced takes the CertID's DER and the nonce out of a request with one of each and
// nothing else, as nearly all clients send it that want a nonce. It takes no memory. For
// any other request, malformed or not, ok is false: see [ParseRequest].
func SplitNonced(der []byte) (id, nonce []byte, ok bool) {
	in := cryptobyte.String(der)
	var request, tbs, list, single, element, extensions, extension cryptobyte.String
	ok = in.ReadASN1(&request, asn1.SEQUENCE) && in.Empty() &&
		request.ReadASN1(&tbs, asn1.SEQUENCE) && request.Empty() &&
		tbs.ReadASN1(&list, asn1.SEQUENCE) &&
		list.ReadASN1(&single, asn1.SEQUENCE) && list.Empty() &&
		single.ReadASN1Element(&element, asn1.SEQUENCE) && single.Empty() &&
		tbs.ReadASN1(&extensions, explicit(2)) && tbs.Empty() &&
		extensions.ReadASN1(&list, asn1.SEQUENCE) && extensions.Empty() &&
		list.ReadASN1(&extension, asn1.SEQUENCE) && list.Empty()
	if !ok || len(extension) < len(nonceOID) || string(extension[:len(nonceOID)]) != nonceOID {
		return nil, nil, false
	}
	extension = extension[len(nonceOID):]
	var value, n cryptobyte.String
	ok = extension.ReadASN1(&value, asn1.OCTET_STRING) && extension.Empty() && // no critical
		value.ReadASN1(&n, asn1.OCTET_STRING) && value.Empty() &&
		1 <= len(n) && len(n) <= MaxNonce
	return element, n, ok
}
