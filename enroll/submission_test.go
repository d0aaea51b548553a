package enroll

import (
	"bytes"
	"testing"
)

// What is read without encoding/json is what encoding/json reads.
func FuzzPlainCSR(f *testing.F) {
	for _, body := range []string{
		`{"csr":"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"}`,
		`{"csr":""}`, `{"csr":"AA\\nAA"}`, `{"csr":"AA\\\nAA"}`, `{"csr":"A","csr":"B"}`, `{"csr":"A","profile":"user"}`,
		`{"csr":"\u0041"}`, `{"csr":"é"}`, "{\"csr\":\"A\nA\"}", "{\"csr\":\"A\x7f\"}", `{"csr":"\"}`, `{"csr":"A","with":[]}`, `{"with":[{"csr":"B"}],"csr":"A"}`, `{"csr":"A","with":[{"profile":"p","csr":"B"}]}`, `{"csr":"`, `{"csr":"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text, ok := plainCSR(bytes.Clone(body))
		if !ok {
			return
		}
		var in submission
		if err := parse(body, &in); err != nil || in.CSR != string(text) || in.Profile != "" || in.With != nil {
			t.Errorf("%q, but encoding/json reads %q, %v", text, in, err)
		}
	})
}

func TestPlainCSR(t *testing.T) {
	text, ok := plainCSR([]byte(`{"csr":"-----BEGIN X-----\nAA+/\n-----END X-----\n"}`))
	if !ok || string(text) != "-----BEGIN X-----\nAA+/\n-----END X-----\n" {
		t.Errorf("%q, %t", text, ok)
	}
}
