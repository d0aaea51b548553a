package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/ca"
	"signet/revocation"
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

// A server that runs on renews its signer in time, and the next start goes on with that.
func TestTheNextStartGoesOnWithTheOCSPSigner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParts(t)
		defer p.store.Close()
		key, err := ca.GenerateKey("P-256")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), ocspCert)
		lifetime := &atomic.Int64{}
		lifetime.Store(int64(3 * time.Hour))
		p.ocsp.Key = key
		if p.ocsp.Certificate, err = p.responderIssuer(file, lifetime)(t.Context(), key.Public()); err != nil {
			t.Fatal(err)
		}
		for start := range 3 {
			first := p.ocsp.Certificate
			service, err := revocation.New(revocation.Config{
				Store: p.store, Issuer: p.issuer, RootCRL: file + ".none", OCSPSigner: p.ocsp,
				IssueResponder: p.responderIssuer(file, lifetime), Logger: p.logger,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- service.Run(ctx) }()
			time.Sleep(30 * time.Minute)
			if got, err := readCertificate(file); err != nil || !got.Equal(first) {
				t.Errorf("start %d: another signer though there was one (%v)", start, err)
			}
			time.Sleep(2 * time.Hour)
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if p.ocsp.Certificate, err = readCertificate(file); err != nil {
				t.Fatal(err)
			}
			if p.ocsp.Certificate.Equal(first) || !p.stands(t.Context(), p.ocsp.Certificate) {
				t.Errorf("start %d: the renewed certificate is not on disk", start)
			}
		}
	})
}
