package revocation

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math"
	"strings"

	"signet/ca"
	"signet/revocation/ocsp"
)

// An answerKey says what is asked about: one of the issuer's certificates, and
// how the CertID spells it, since an answer repeats it to the octet.
type answerKey struct {
	form   uint8
	serial ca.Serial
}

// aheadForm is the form of answers that are signed before anyone asks: SHA-1
// with NULL. RFC 5019, Section 2.1.1 demands SHA-1, and nearly all clients follow.
const aheadForm = 0

// certIDForms recognizes the requests that nearly all clients send, about one
// certificate and with nothing else in them, as they come. All serial numbers of
// ours have as many octets, so such a request is one of few beginnings and a
// serial number: there is nothing to parse, and each certificate has no more
// spellings than there are forms.
type certIDForms struct {
	forms   []certIDForm
	sextets sextets
}

type certIDForm struct {
	request []byte // an OCSPRequest up to the serial number's octets
	id      []byte // a CertID up to there
}

func newCertIDForms(issuer *x509.Certificate) (*certIDForms, error) {
	var any ca.Serial
	any[0] = 1
	ids, err := ocsp.CertIDForms(issuer, any.Big())
	if err != nil {
		return nil, fmt.Errorf("naming certificates for OCSP: %w", err)
	}
	f := &certIDForms{sextets: newSextets()}
	for _, id := range ids {
		request, err := (&ocsp.Request{CertIDs: []ocsp.CertID{id}}).Marshal()
		if err != nil {
			return nil, fmt.Errorf("naming certificates for OCSP: %w", err)
		}
		f.forms = append(f.forms, certIDForm{
			request: request[:len(request)-len(any)],
			id:      id.Raw[:len(id.Raw)-len(any)],
		})
	}
	return f, nil
}

// ofRequest is the key of a request's DER; false for any other than those.
func (f *certIDForms) ofRequest(der []byte) (key answerKey, ok bool) {
	for i, form := range f.forms {
		if len(der) == len(form.request)+len(key.serial) && bytes.HasPrefix(der, form.request) {
			return answerKey{uint8(i), ca.Serial(der[len(form.request):])}, true
		}
	}
	return key, false
}

// ofID is the key of a CertID's DER.
func (f *certIDForms) ofID(id []byte) (key answerKey, ok bool) {
	for i, form := range f.forms {
		if len(id) == len(form.id)+len(key.serial) && bytes.HasPrefix(id, form.id) {
			return answerKey{uint8(i), ca.Serial(id[len(form.id):])}, true
		}
	}
	return key, false
}

// certID is the CertID that key stands for.
func (f *certIDForms) certID(key answerKey) ocsp.CertID {
	form := f.forms[key.form]
	raw := make([]byte, 0, len(form.id)+len(key.serial))
	return ocsp.CertID{Serial: key.serial.Big(), Raw: append(append(raw, form.id...), key.serial[:]...)}
}

// maxShortRequest is longer than any request about one certificate, by SHA-256 and with
// the longest nonce, in octets.
const maxShortRequest = 300

// A shortRequest is the room for one; the last group of base64 may hold less than
// three octets.
type shortRequest [maxShortRequest + 2]byte

// decode decodes a request in base64, either alphabet, with padding or without: what is
// in a path that was unescaped once. Rarer spellings are left to decodeGET.
func (f *certIDForms) decode(der *shortRequest, text string) ([]byte, bool) {
	text = strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	if len(text) > maxShortRequest/3*4 {
		return nil, false
	}
	n := 0
	for ; len(text) >= 4; text = text[4:] {
		v := f.sextets[text[0]] | f.sextets[text[1]]>>6 | f.sextets[text[2]]>>12 | f.sextets[text[3]]>>18
		if v&notBase64 != 0 {
			return nil, false
		}
		der[n], der[n+1], der[n+2] = byte(v>>24), byte(v>>16), byte(v>>8)
		n += 3
	}
	v := uint32(0)
	for i := range len(text) {
		v |= f.sextets[text[i]] >> (6 * i)
	}
	if v&notBase64 != 0 || len(text) == 1 {
		return nil, false
	}
	der[n], der[n+1] = byte(v>>24), byte(v>>16)
	return der[:n+len(text)*6/8], true
}

// sextets are what characters stand for (RFC 4648, Sections 4 and 5), in the topmost
// bits; all bits are set for those that stand for nothing.
type sextets [256]uint32

// notBase64 are bits that no character sets which stands for something, wherever it is
// in its group of four.
const notBase64 = 1<<8 - 1

func newSextets() (t sextets) {
	for i := range t {
		t[i] = math.MaxUint32
	}
	for _, alphabet := range []string{"+/", "-_"} {
		for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + alphabet) {
			t[c] = uint32(i) << 26
		}
	}
	return t
}
