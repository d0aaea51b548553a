package enroll

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// A submission is the body of POST /api/v1/certificates.
type submission struct {
	member
	With []member `json:"with,omitempty"`
}

// A member is one CSR of a submission, and the profile that it is for.
type member struct {
	Profile string `json:"profile,omitempty"`
	CSR     string `json:"csr"`
}

// A Request is a CSR, DER, and the profile that it is for; "" for the default.
type Request struct {
	Profile string
	CSR     []byte
}

// parseSubmission reads the profiles that body names and the DER of their CSRs, the main
// one first.
func parseSubmission(body []byte) ([]Request, error) {
	if text, ok := plainCSR(body); ok {
		der, err := decodeCSR(text)
		if err != nil {
			return nil, refuse("csr.parse", "csr is no PKCS#10: "+err.Error())
		}
		return []Request{{CSR: der}}, nil
	}
	var in submission
	if err := parse(body, &in); err != nil {
		return nil, err
	}
	if len(in.With) >= MaxMembers {
		return nil, &formError{fmt.Sprintf("\"with\" has %d CSRs: there are %d at most", len(in.With), MaxMembers-1)}
	}
	out := make([]Request, 0, 1+len(in.With))
	for i, m := range append([]member{in.member}, in.With...) {
		der, err := decodeCSR([]byte(m.CSR))
		if err != nil {
			err = refuse("csr.parse", "csr is no PKCS#10: "+err.Error())
			if i > 0 {
				err = &memberError{fmt.Sprintf("%.64s", m.Profile), err}
			}
			return nil, err
		}
		out = append(out, Request{Profile: m.Profile, CSR: der})
	}
	return out, nil
}

// plainCSR reads what nearly all clients send, a CSR as PEM and no profile, for a
// twentieth of what encoding/json takes. The text is in body's own octets, which are
// changed. ok is false where body may be anything else; then it is left as it was.
func plainCSR(body []byte) (text []byte, ok bool) {
	text, begins := bytes.CutPrefix(body, []byte(`{"csr":"`))
	text, ends := bytes.CutSuffix(text, []byte(`"}`))
	if !begins || !ends || bytes.Count(text, []byte(`\`)) != bytes.Count(text, []byte(`\n`)) {
		return nil, false
	}
	for _, c := range text {
		if c == '"' || c > '~' || c < ' ' {
			return nil, false
		}
	}
	lines := text[:0]
	for line := range bytes.SplitSeq(text, []byte(`\n`)) {
		lines = append(append(lines, line...), '\n')
	}
	return lines[:len(lines)-1], true
}

// decodeCSR reads the DER of a PKCS#10 out of PEM or base64.
func decodeCSR(text []byte) ([]byte, error) {
	if block, _ := pem.Decode(text); block != nil {
		// "NEW CERTIFICATE REQUEST" is what some older programs write (RFC 7468, Section 7).
		if block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
			return nil, fmt.Errorf("a PEM block %.40q where a CERTIFICATE REQUEST was due", block.Type)
		}
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.AppendDecode(nil, text) // it lets line breaks pass
	if err != nil || len(der) == 0 {
		return nil, errors.New("neither PEM nor base64")
	}
	return der, nil
}
