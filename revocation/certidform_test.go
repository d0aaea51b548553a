package revocation

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/ocsp"
)

// The short way and the long one read the same in a request.
func FuzzShortRequest(f *testing.F) {
	h := catest.New(f)
	forms, err := newCertIDForms(h.Issuer.Certificate())
	if err != nil {
		f.Fatal(err)
	}
	ids, err := ocsp.CertIDForms(h.Issuer.Certificate(), h.Serial(f).Big())
	if err != nil {
		f.Fatal(err)
	}
	ofBase64 := func(text string) (key answerKey, ok bool) {
		der, ok := forms.decode(new(shortRequest), text)
		if ok {
			key, ok = forms.ofRequest(der)
		}
		return key, ok
	}
	for i, id := range ids {
		der, err := (&ocsp.Request{CertIDs: []ocsp.CertID{id}}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		text := base64.StdEncoding.EncodeToString(der)
		key, ok := ofBase64(text)
		if !ok || int(key.form) != i || key.serial.Big().Cmp(id.Serial) != 0 || !bytes.Equal(forms.certID(key).Raw, id.Raw) {
			f.Errorf("form %d is read as %+v, %v", i, key, ok)
		}
		for _, s := range []string{text, strings.TrimRight(text, "="), text + "=", strings.NewReplacer("/", "_", "+", "-").Replace(text),
			text[:20] + "\n" + text[20:], text[:len(text)-4], text + "AAAA", "/" + text, "%2F" + text} {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, ok := ofBase64(text)
		if !ok {
			return
		}
		der, err := decodeGET(text)
		if err != nil {
			t.Fatalf("%q is read by the short way alone", text)
		}
		// A serial number that begins with 0 or 0x80 is none of ours, and no DER.
		if _, ours := ca.SerialOf(key.serial.Big()); !ours {
			return
		}
		r, err := ocsp.ParseRequest(der)
		if err != nil || len(r.CertIDs) != 1 || r.Nonce != nil || !r.CertIDs[0].IssuedBy(h.Issuer.Certificate()) {
			t.Fatalf("%q: %+v, %v", text, r, err)
		}
		if long, ok := forms.ofID(r.CertIDs[0].Raw); !ok || long != key {
			t.Fatalf("%q: %+v by the short way, %+v, %v by the long one", text, key, long, ok)
		}
	})
}
