package ocsp

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"math/big"
	"os"
	"testing"
	"time"

	"signet/ca/catest"
)

// recorded are requests that OpenSSL made: see testdata/ocsp/README.md.
var recorded = map[string]Request{
	"two-certificates-nonce.der": {CertIDs: make([]CertID, 2), Nonce: make([]byte, 16)},
	"sha256.der":                 {CertIDs: make([]CertID, 1)},
	"signed.der":                 {CertIDs: make([]CertID, 1), Nonce: make([]byte, 16)},
}

func readRecorded(t testing.TB, name string) []byte {
	t.Helper()
	der, err := os.ReadFile("../../testdata/ocsp/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestRequestsOfOpenSSL(t *testing.T) {
	for name, want := range recorded {
		got, err := ParseRequest(readRecorded(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got.CertIDs) != len(want.CertIDs) || len(got.Nonce) != len(want.Nonce) || got.CertIDs[0].Hash == 0 {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for name := range recorded {
		f.Add(readRecorded(f, name))
	}
	h := catest.New(f)
	var ids []CertID
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		id, err := NewCertID(h.Intermediate, big.NewInt(1<<40), hash)
		if err != nil {
			f.Fatal(err)
		}
		ids = append(ids, id)
	}
	for _, nonce := range [][]byte{nil, {1}, make([]byte, 128), make([]byte, 129)} {
		der, err := (&Request{CertIDs: ids, Nonce: nonce}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := ParseRequest(der)
		if err != nil {
			return
		}
		if n := len(r.CertIDs); n < 1 || n > MaxCertIDs || len(r.Nonce) > MaxNonce {
			t.Fatalf("%d CertIDs and a nonce of %d octets were let pass", n, len(r.Nonce))
		}
		again, err := r.Marshal()
		if err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		second, err := ParseRequest(again)
		if err != nil || len(second.CertIDs) != len(r.CertIDs) {
			t.Fatalf("what was written can't be read: %v\n%s", err, hex.EncodeToString(again))
		}
	})
}

func FuzzResponse(f *testing.F) {
	h := catest.New(f)
	id, err := NewCertID(h.Intermediate, big.NewInt(7), crypto.SHA1)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	for _, status := range []Status{Good, Revoked, Unknown} {
		der, err := Create(Template{ProducedAt: now, Nonce: []byte{1, 2}, Singles: []Single{
			{ID: id, Status: status, RevokedAt: now, Reason: 1, ThisUpdate: now, NextUpdate: now},
		}}, Signer{Certificate: h.Intermediate, Key: h.IntermediateKey})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Add(ErrorResponse(TryLater))
	cert, err := h.Issue(f, "alice", catest.Key(f), now).X509()
	if err != nil {
		f.Fatal(err)
	}
	q, err := NewQuery(cert, h.Intermediate)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if s, err := q.Verify(der, now); err == nil {
			t.Fatalf("an answer to a nonce that was never sent is believed: %+v", s)
		}
	})
}

func FuzzSplitNonced(f *testing.F) {
	for name := range recorded {
		f.Add(readRecorded(f, name))
	}
	h := catest.New(f)
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		id, err := NewCertID(h.Intermediate, big.NewInt(1<<40), hash)
		if err != nil {
			f.Fatal(err)
		}
		for _, nonce := range [][]byte{nil, {}, {1}, make([]byte, 32), make([]byte, 128), make([]byte, 129)} {
			der, err := (&Request{CertIDs: []CertID{id}, Nonce: nonce}).Marshal()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(der)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		id, nonce, ok := SplitNonced(der)
		r, err := ParseRequest(der)
		if ok && err == nil && (len(r.CertIDs) != 1 || !bytes.Equal(r.CertIDs[0].Raw, id) || !bytes.Equal(r.Nonce, nonce)) {
			t.Errorf("read as %x and %x, not as %+v", id, nonce, r)
		}
		if !ok && err == nil && len(r.CertIDs) == 1 && len(r.Nonce) > 0 {
			if again, err := (&Request{CertIDs: r.CertIDs, Nonce: r.Nonce}).Marshal(); err == nil && bytes.Equal(again, der) {
				t.Errorf("%x is a plain request with a nonce, and not known", der)
			}
		}
	})
}
