package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// bareArgument makes this program the process of the bare handlers.
const bareArgument = "bare-handlers"

// serveBare serves, in a process of its own as signetd is one, what Signet is
// measured against: over TLS a handler that checks a CSR and signs, and in the
// clear an answer of as many bytes as the path says. It prints its two addresses.
func serveBare() error {
	ca, err := newBareCA()
	if err != nil {
		return err
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.server}})
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("https://%s http://%s\n", secure.Addr(), plain.Addr())
	ended := make(chan error, 2)
	go func() { ended <- http.Serve(secure, ca) }()
	go func() { ended <- http.Serve(plain, http.HandlerFunc(answerBytes)) }()
	// The parent holds our stdin open: we end when it does.
	go func() { _, _ = os.Stdin.Read(make([]byte, 1)); ended <- nil }()
	return <-ended
}

// A bareCA signs whatever key a CSR with a good signature holds.
type bareCA struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	server tls.Certificate
}

func newBareCA() (*bareCA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bare"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &bareCA{cert, key, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, err
}

func (c *bareCA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := c.issue(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(answer)
}

func (c *bareCA) issue(body interface{ Read([]byte) (int, error) }) (map[string]string, error) {
	var in struct {
		CSR string `json:"csr"`
	}
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(in.CSR))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, err
	}
	serial := make([]byte, 19)
	_, _ = rand.Read(serial)
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: "someone"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		CRLDistributionPoints: []string{"http://127.0.0.1/crl"}, OCSPServer: []string{"http://127.0.0.1/ocsp"},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, csr.PublicKey, c.key)
	if err != nil {
		return nil, err
	}
	return map[string]string{"certificate": pemOf(der), "chain": pemOf(c.cert.Raw)}, nil
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// answerBytes answers "/N", and what is below, with N bytes, the request's body read.
func answerBytes(w http.ResponseWriter, r *http.Request) {
	number, _, _ := strings.Cut(r.URL.Path[1:], "/")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > 1<<20 {
		http.NotFound(w, r)
		return
	}
	_, _ = new(bytes.Buffer).ReadFrom(r.Body)
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(make([]byte, n))
}
