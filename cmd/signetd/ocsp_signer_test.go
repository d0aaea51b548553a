package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation/ocsp"
)

// The certificate for the key in the data folder is put beside it; one for another key
// leaves what is there, and the log says what to do.
func TestTheOCSPSignersCertificateIsKeptOnDisk(t *testing.T) {
	var log bytes.Buffer
	p := newParts(t)
	defer p.store.Close()
	p.logger = slog.New(slog.NewTextHandler(&log, nil))
	key, err := ca.GenerateKey("P-256")
	if err != nil {
		t.Fatal(err)
	}
	p.ocsp = ocsp.Signer{Key: key}
	file := filepath.Join(t.TempDir(), ocspCert)
	lifetime := &atomic.Int64{}
	lifetime.Store(int64(time.Hour))
	issue := p.responderIssuer(file, lifetime)
	for range 2 {
		cert, err := issue(t.Context(), key.Public())
		if err != nil {
			t.Fatal(err)
		}
		got, err := readCertificate(file)
		if err != nil || !got.Equal(cert) || !key.Public().(*ecdsa.PublicKey).Equal(got.PublicKey) {
			t.Errorf("on disk is not the certificate in use: %v", err)
		}
	}
	before, _ := readCertificate(file)
	var other crypto.Signer
	if other, err = ca.GenerateKey("P-256"); err != nil {
		t.Fatal(err)
	}
	if _, err := issue(t.Context(), other.Public()); err != nil {
		t.Fatal(err)
	}
	if after, err := readCertificate(file); err != nil || !after.Equal(before) {
		t.Errorf("the certificate of another key is beside the one on disk (%v)", err)
	}
	if !strings.Contains(log.String(), "signetd init") {
		t.Errorf("the log says %s", log.String())
	}
}
