package ocsp

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The bounds of a request. A signed one with a certificate or two fits.
const (
	MaxRequest = 16 << 10 // octets
	MaxCertIDs = 32
)

// A Request asks about certificates.
type Request struct {
	CertIDs []CertID // at least one
	Nonce   []byte   // nil without one; 1 to MaxNonce octets
}

// ParseRequest reads an OCSPRequest (RFC 6960, Section 4.1.1). Its signature,
// where it has one, is not verified: everybody may ask. Errors are [ErrMalformed].
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > MaxRequest {
		return nil, fmt.Errorf("%w: more than %d octets", ErrMalformed, MaxRequest)
	}
	in := cryptobyte.String(der)
	var request, tbs cryptobyte.String
	if !in.ReadASN1(&request, asn1.SEQUENCE) || !in.Empty() ||
		!request.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!request.SkipOptionalASN1(explicit(0)) || !request.Empty() { // optionalSignature
		return nil, fmt.Errorf("%w: not an OCSPRequest", ErrMalformed)
	}
	return parseTBSRequest(tbs)
}

func parseTBSRequest(tbs cryptobyte.String) (*Request, error) {
	var list, extensions cryptobyte.String
	var extended bool
	if !readVersion(&tbs) ||
		!tbs.SkipOptionalASN1(explicit(1)) || // requestorName
		!tbs.ReadASN1(&list, asn1.SEQUENCE) || list.Empty() ||
		!tbs.ReadOptionalASN1(&extensions, &extended, explicit(2)) || !tbs.Empty() {
		return nil, fmt.Errorf("%w: TBSRequest", ErrMalformed)
	}
	r := new(Request)
	if extended {
		if err := readExtensions(extensions, &r.Nonce); err != nil {
			return nil, err
		}
	}
	for !list.Empty() {
		if len(r.CertIDs) == MaxCertIDs {
			return nil, fmt.Errorf("%w: more than %d certificates", ErrMalformed, MaxCertIDs)
		}
		id, err := parseSingleRequest(&list)
		if err != nil {
			return nil, err
		}
		r.CertIDs = append(r.CertIDs, id)
	}
	return r, nil
}

// parseSingleRequest reads a Request: a CertID and extensions that we know none of.
func parseSingleRequest(list *cryptobyte.String) (CertID, error) {
	var single, extensions cryptobyte.String
	var extended bool
	if !list.ReadASN1(&single, asn1.SEQUENCE) {
		return CertID{}, fmt.Errorf("%w: Request", ErrMalformed)
	}
	id, ok := readCertID(&single)
	if !ok || !single.ReadOptionalASN1(&extensions, &extended, explicit(0)) || !single.Empty() {
		return CertID{}, fmt.Errorf("%w: CertID", ErrMalformed)
	}
	if extended {
		return id, readExtensions(extensions, nil)
	}
	return id, nil
}

// readVersion reads version [0] EXPLICIT INTEGER DEFAULT v1.
func readVersion(in *cryptobyte.String) bool {
	var version int
	return in.ReadOptionalASN1Integer(&version, explicit(0), 0) && version == 0
}

// Marshal is the DER of an unsigned OCSPRequest.
func (r *Request) Marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, id := range r.CertIDs {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(id.Raw) })
				}
			})
			addNonce(b, 2, r.Nonce)
		})
	})
	return b.Bytes()
}
