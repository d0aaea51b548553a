package softcard_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"signet/piv/softcard"
)

func TestDevice(t *testing.T) {
	root := testRoot(t)
	d, err := root.NewDevice(7, softcard.Version{5, 7, 1})
	if err != nil {
		t.Fatal(err)
	}
	pub, _, _ := ed25519.GenerateKey(rand.Reader)
	good, err := d.WithFormFactor(0x83).Attest(0x9A, pub, softcard.PINOnce, softcard.TouchCached)
	if err != nil {
		t.Fatal(err)
	}
	checkChain(t, root, d.Certificate(), good)
	equal(t, "form factor", good.Extensions[3].Value, "83")

	bad, err := d.Attest(0x9A, pub, softcard.PINOnce, softcard.TouchCached, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "YubiKey PIV Attestation 9z"}
		c.ExtraExtensions = c.ExtraExtensions[:1]
		c.NotAfter = c.NotBefore.Add(time.Hour)
	})
	if err != nil || len(bad.Extensions) != 1 || bad.NotAfter.Year() != 2016 {
		t.Errorf("altered: %v, %v", bad, err)
	}
	notCA, err := root.NewDevice(7, softcard.Version{5, 7, 1}, func(c *x509.Certificate) { c.IsCA = false; c.MaxPathLenZero = false })
	if err != nil || notCA.Certificate().IsCA {
		t.Errorf("altered: %v", err)
	}
}

func TestLoadRoot(t *testing.T) {
	dir := t.TempDir()
	var made [3]*softcard.Root
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() { made[i], _ = softcard.LoadRoot(dir) })
	}
	all.Wait()
	for _, r := range made {
		if r == nil || !r.Certificate().Equal(made[0].Certificate()) {
			t.Fatal("several roots in one directory")
		}
	}
	path := filepath.Join(dir, softcard.RootFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	if err := os.WriteFile(path, made[0].PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := softcard.LoadRoot(dir); err == nil {
		t.Error("a root without a key was read")
	}
}
