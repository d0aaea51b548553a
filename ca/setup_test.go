package ca_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
)

func TestHierarchy(t *testing.T) {
	h := hierarchy(t, "", "")
	if got := ca.KeyAlgorithm(h.RootKey.Public()) + " " + ca.KeyAlgorithm(h.IntermediateKey.Public()); got != "P-384 P-256" {
		t.Errorf("keys by default: %s", got)
	}
	if len(h.Records) != 2 || h.Records[0].Subject != "CN=Müller & Co Root CA,O=Müller & Co" || h.Records[1].Profile != ca.IntermediateProfile {
		t.Errorf("records: %+v", h.Records)
	}
	if h.Root.MaxPathLen != -1 || h.Intermediate.MaxPathLen != 0 || !h.Intermediate.MaxPathLenZero {
		t.Errorf("path lengths %d, %d", h.Root.MaxPathLen, h.Intermediate.MaxPathLen)
	}
	root, err := h.RootIssuer()
	if err != nil {
		t.Fatal(err)
	}
	if len(root.ID()) != 16 || h.Intermediate.CRLDistributionPoints[0] != "http://ca.example/crl/"+root.ID()+".crl" {
		t.Errorf("root %s, the intermediate's CRL at %v", root.ID(), h.Intermediate.CRLDistributionPoints)
	}
	if h.Root.NotAfter.Before(time.Now().Add(19 * 365 * 24 * time.Hour)) {
		t.Errorf("root ends %v", h.Root.NotAfter)
	}
}

func TestHierarchyRefused(t *testing.T) {
	h := catest.New(t)
	good := ca.SetupConfig{Name: "Test", RootSerial: h.Serial(t), IntermediateSerial: h.Serial(t), URL: "http://ca.example"}
	for name, change := range map[string]func(*ca.SetupConfig){
		"no name":       func(c *ca.SetupConfig) { c.Name = "" },
		"long name":     func(c *ca.SetupConfig) { c.Name = strings.Repeat("x", 60) },
		"weak key":      func(c *ca.SetupConfig) { c.RootAlgorithm = "RSA-1024" },
		"no serial":     func(c *ca.SetupConfig) { c.RootSerial = ca.Serial{} },
		"https":         func(c *ca.SetupConfig) { c.URL = "https://ca.example" },
		"no URL":        func(c *ca.SetupConfig) { c.URL = "" },
		"unknown curve": func(c *ca.SetupConfig) { c.IntermediateAlgorithm = "secp256k1" },
	} {
		c := good
		change(&c)
		if _, err := ca.NewHierarchy(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Other people's programs follow the chain, for every kind of CA key.
func TestChainsElsewhere(t *testing.T) {
	for _, algorithms := range [][2]string{{"P-384", "P-256"}, {"RSA-3072", "RSA-2048"}, {"Ed25519", "Ed25519"}} {
		h := hierarchy(t, algorithms[0], algorithms[1])
		issuer, err := h.Issuer()
		if err != nil {
			t.Fatal(err)
		}
		leaf := issue(t, &catest.Hierarchy{Hierarchy: h, Issuer: issuer, Serials: serials, URLs: ca.URLsAt("http://ca.example", issuer.ID())},
			catest.Profile(t), alice, "P-256")
		dir := t.TempDir()
		root, middle, end := writePEM(t, dir, "root", h.Root), writePEM(t, dir, "intermediate", h.Intermediate), writePEM(t, dir, "leaf", leaf)
		openssl(t, "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", root, "-untrusted", middle, end)
	}
}

func TestNewIssuerRefuses(t *testing.T) {
	h := catest.New(t)
	leaf, err := h.Issue(t, "alice", catest.Key(t), now()).X509()
	if err != nil {
		t.Fatal(err)
	}
	other := catest.New(t)
	if _, err := ca.NewIssuer(h.Intermediate, []*x509.Certificate{h.Root}, h.RootKey); err == nil {
		t.Error("another key: accepted")
	}
	if _, err := ca.NewIssuer(leaf, []*x509.Certificate{h.Intermediate, h.Root}, catest.Key(t)); err == nil {
		t.Error("a leaf: accepted")
	}
	if _, err := ca.NewIssuer(h.Intermediate, []*x509.Certificate{other.Root}, h.IntermediateKey); err == nil {
		t.Error("another root: accepted")
	}
	if _, err := ca.NewIssuer(h.Intermediate, nil, h.IntermediateKey); err == nil {
		t.Error("no root: accepted")
	}
}

var serials = ca.NewSerialSource(new(blocks))

func hierarchy(t testing.TB, root, intermediate string) *ca.Hierarchy {
	t.Helper()
	var drawn [2]ca.Serial
	for i := range drawn {
		var err error
		if drawn[i], err = serials.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h, err := ca.NewHierarchy(ca.SetupConfig{
		Name: "Müller & Co", RootAlgorithm: root, IntermediateAlgorithm: intermediate,
		RootSerial: drawn[0], IntermediateSerial: drawn[1], URL: "http://ca.example/",
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func writePEM(t testing.TB, dir, name string, c *x509.Certificate) string {
	t.Helper()
	path := filepath.Join(dir, name+".pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func opensslText(t testing.TB, c *x509.Certificate) string {
	t.Helper()
	return openssl(t, "x509", "-noout", "-text", "-in", writePEM(t, t.TempDir(), "c", c))
}
