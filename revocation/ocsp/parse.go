package ocsp

import (
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"signet/ca"
	"signet/internal/sigalg"
)

// maxResponse bounds what a client reads, in octets; maxCertificates how many
// certificates of a response it looks at.
const (
	maxResponse     = 64 << 10
	maxCertificates = 8
)

// A response is a parsed BasicOCSPResponse. Nothing in it has been verified.
type response struct {
	tbs          []byte
	algorithm    sigalg.Algorithm
	signature    []byte
	certificates []*x509.Certificate

	producedAt time.Time
	singles    []Single
	nonce      []byte
}

// Error is the status in the words of RFC 6960, Section 4.2.1.
func (s ErrorStatus) Error() string {
	names := map[ErrorStatus]string{
		MalformedRequest: "malformedRequest", InternalError: "internalError",
		TryLater: "tryLater", 5: "sigRequired", Unauthorized: "unauthorized",
	}
	if name, ok := names[s]; ok {
		return "the OCSP responder answered " + name
	}
	return fmt.Sprintf("the OCSP responder answered status %d", int(s))
}

// parseResponse reads an OCSPResponse. It fails with an [ErrorStatus] where the
// responder gave one, and with [ErrMalformed].
func parseResponse(der []byte) (*response, error) {
	in := cryptobyte.String(der)
	var outer, wrapped, typed, basic cryptobyte.String
	var status int
	var oid encoding_asn1.ObjectIdentifier
	if len(der) > maxResponse || !in.ReadASN1(&outer, asn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1Enum(&status) {
		return nil, fmt.Errorf("%w: not an OCSPResponse", ErrMalformed)
	}
	if status != 0 {
		return nil, ErrorStatus(status)
	}
	if !outer.ReadASN1(&wrapped, explicit(0)) || !outer.Empty() ||
		!wrapped.ReadASN1(&typed, asn1.SEQUENCE) || !wrapped.Empty() ||
		!typed.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidBasic) ||
		!typed.ReadASN1(&basic, asn1.OCTET_STRING) || !typed.Empty() {
		return nil, fmt.Errorf("%w: ResponseBytes", ErrMalformed)
	}
	return parseBasic(basic)
}

func parseBasic(in cryptobyte.String) (*response, error) {
	var basic, tbs, wrapped cryptobyte.String
	var certified, ok bool
	r := new(response)
	if !in.ReadASN1(&basic, asn1.SEQUENCE) || !in.Empty() || !basic.ReadASN1Element(&tbs, asn1.SEQUENCE) {
		return nil, fmt.Errorf("%w: BasicOCSPResponse", ErrMalformed)
	}
	if r.algorithm, ok = readAlgorithm(&basic); !ok {
		return nil, fmt.Errorf("%w: its signature algorithm is none that is known", ErrMalformed)
	}
	if !basic.ReadASN1BitStringAsBytes(&r.signature) ||
		!basic.ReadOptionalASN1(&wrapped, &certified, explicit(0)) || !basic.Empty() {
		return nil, fmt.Errorf("%w: BasicOCSPResponse", ErrMalformed)
	}
	r.tbs = tbs
	if certified {
		if err := r.readCertificates(wrapped); err != nil {
			return nil, err
		}
	}
	return r, r.readData(tbs)
}

func (r *response) readCertificates(wrapped cryptobyte.String) error {
	var list, der cryptobyte.String
	if !wrapped.ReadASN1(&list, asn1.SEQUENCE) || !wrapped.Empty() {
		return fmt.Errorf("%w: certificates", ErrMalformed)
	}
	for !list.Empty() {
		if len(r.certificates) == maxCertificates || !list.ReadASN1Element(&der, asn1.SEQUENCE) {
			return fmt.Errorf("%w: certificates", ErrMalformed)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		r.certificates = append(r.certificates, cert)
	}
	return nil
}

// readData reads ResponseData. The responderID is passed over: a client tries
// the certificates that are there.
func (r *response) readData(tbs cryptobyte.String) error {
	var data, id, list, extensions cryptobyte.String
	var extended bool
	var tag asn1.Tag
	if !tbs.ReadASN1(&data, asn1.SEQUENCE) || !readVersion(&data) ||
		!data.ReadAnyASN1(&id, &tag) || (tag != explicit(1) && tag != explicit(2)) ||
		!data.ReadASN1GeneralizedTime(&r.producedAt) ||
		!data.ReadASN1(&list, asn1.SEQUENCE) ||
		!data.ReadOptionalASN1(&extensions, &extended, explicit(1)) || !data.Empty() {
		return fmt.Errorf("%w: ResponseData", ErrMalformed)
	}
	if extended {
		if err := readExtensions(extensions, &r.nonce); err != nil {
			return err
		}
	}
	for !list.Empty() {
		if len(r.singles) == MaxCertIDs {
			return fmt.Errorf("%w: more than %d answers", ErrMalformed, MaxCertIDs)
		}
		s, err := readSingle(&list)
		if err != nil {
			return err
		}
		r.singles = append(r.singles, s)
	}
	return nil
}

func readSingle(list *cryptobyte.String) (s Single, err error) {
	var single, status, next, extensions cryptobyte.String
	var tag asn1.Tag
	var ok, bounded, extended bool
	bad := fmt.Errorf("%w: SingleResponse", ErrMalformed)
	if !list.ReadASN1(&single, asn1.SEQUENCE) {
		return s, bad
	}
	if s.ID, ok = readCertID(&single); !ok || !single.ReadAnyASN1(&status, &tag) || !s.readStatus(status, tag) {
		return s, bad
	}
	if !single.ReadASN1GeneralizedTime(&s.ThisUpdate) ||
		!single.ReadOptionalASN1(&next, &bounded, explicit(0)) ||
		(bounded && (!next.ReadASN1GeneralizedTime(&s.NextUpdate) || !next.Empty())) ||
		!single.ReadOptionalASN1(&extensions, &extended, explicit(1)) || !single.Empty() {
		return s, bad
	}
	if extended {
		return s, readExtensions(extensions, nil)
	}
	return s, nil
}

// readStatus reads the content of a CertStatus, which is a choice by tag.
func (s *Single) readStatus(content cryptobyte.String, tag asn1.Tag) bool {
	switch tag {
	case implicit(uint8(Good)), implicit(uint8(Unknown)):
		s.Status = Good
		if tag == implicit(uint8(Unknown)) {
			s.Status = Unknown
		}
		return content.Empty()
	case explicit(uint8(Revoked)):
		var reason cryptobyte.String
		var given bool
		var number int
		s.Status = Revoked
		ok := content.ReadASN1GeneralizedTime(&s.RevokedAt) &&
			content.ReadOptionalASN1(&reason, &given, explicit(0)) && content.Empty() &&
			(!given || reason.ReadASN1Enum(&number) && reason.Empty())
		s.Reason = ca.Reason(number)
		return ok
	}
	return false
}
