package revocation_test

import (
	"bytes"
	"context"
	"math/big"
	"net/http/httptest"
	"testing"

	xocsp "golang.org/x/crypto/ocsp"

	"signet/ca"
	"signet/revocation/ocsp"
)

// nonced answers by GET and POST, checks the nonce, and returns what is said.
func (w *world) nonced(serial *big.Int, nonce []byte) *xocsp.Response {
	w.Helper()
	question := w.question(nonce, serial)
	var last *xocsp.Response
	for name, got := range map[string]*httptest.ResponseRecorder{"GET": w.ask(question), "POST": w.post(question)} {
		last = w.says(got)
		if !bytes.Contains(got.Body.Bytes(), append([]byte{4, byte(len(nonce))}, nonce...)) || got.Header().Get("Cache-Control") != "no-store" {
			w.Errorf("%s: the answer is another's: %v %x", name, got.Header(), got.Body)
		}
	}
	return last
}

// Answers with a nonce are each signed, and need no look at the store's certificates while
// an answer is kept; what is revoked shows in the next one.
func TestNonced(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	alice, bob := w.issue("alice"), w.issue("bob")
	serial := alice.Serial.Big()
	w.ask(w.question(nil, serial)) // is kept
	nonce := bytes.Repeat([]byte{9}, 32)
	w.store.broken.Store(true)
	if r := w.nonced(serial, nonce); r.Status != xocsp.Good {
		t.Errorf("good: %+v", r)
	}
	w.store.broken.Store(false)
	w.revoke(bob, ca.Superseded)
	if r := w.nonced(serial, nonce[:1]); r.Status != xocsp.Good { // found out anew
		t.Errorf("after another's revocation: %+v", r)
	}
	w.store.broken.Store(true)
	if r := w.nonced(serial, nonce[:8]); r.Status != xocsp.Good { // and remembered
		t.Errorf("after another's revocation, once more: %+v", r)
	}
	w.store.broken.Store(false)
	for range 3 {
		_, err := w.service.Revoker.Hold(context.Background(), alice.Serial, "boss")
		must(t, err)
		if r := w.nonced(serial, nonce); r.Status != xocsp.Revoked || r.RevocationReason != int(ca.CertificateHold) {
			t.Errorf("on hold: %+v", r)
		}
		_, err = w.service.Revoker.Release(context.Background(), alice.Serial, "boss")
		must(t, err)
		if r := w.nonced(serial, nonce); r.Status != xocsp.Good {
			t.Errorf("released: %+v", r)
		}
	}
	w.revoke(alice, ca.KeyCompromise)
	if r := w.nonced(serial, bytes.Repeat([]byte{3}, 127)); r.Status != xocsp.Revoked || r.RevocationReason != int(ca.KeyCompromise) {
		t.Errorf("revoked: %+v", r)
	}
	if r := w.nonced(big.NewInt(0).Add(serial, big.NewInt(1)), nonce); r.Status != xocsp.Unknown {
		t.Errorf("never issued: %+v", r)
	}
}

// Without a certificate that is kept or a store that can be read there is no answer.
func TestNoncedFails(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	alice := w.issue("alice")
	w.store.broken.Store(true)
	got := w.post(w.question(bytes.Repeat([]byte{1}, 16), alice.Serial.Big()))
	if !bytes.Equal(got.Body.Bytes(), ocsp.ErrorResponse(ocsp.InternalError)) {
		t.Errorf("%d %x", got.Code, got.Body)
	}
}
