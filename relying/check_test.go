package relying

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation/crl"
)

func TestCheck(t *testing.T) {
	w := newWorld(t)
	c := w.fresh(w.config())
	alice, bob := w.alice(), w.person("bob", time.Now())
	id := w.check(c, alice, "SUCCESS")
	if id.Account != "alice" || id.CommonName != "alice" || len(id.Serial) != 40 || len(id.Fingerprint) != 64 ||
		!id.Certificate.Equal(alice.Leaf) || len(id.Chain) != 3 || !strings.Contains(id.Issuer, "Test") || !id.OK() || id.Unchecked {
		t.Errorf("%+v", id)
	}
	w.revoke(alice.Leaf, ca.KeyCompromise)
	w.revoke(bob.Leaf, ca.CertificateHold)
	w.publish()
	w.check(c, alice, "SUCCESS")
	w.fetch(c)
	id = w.check(c, alice, "FAILED:revoked")
	if id.Revocation == nil || id.Revocation.Reason != ca.KeyCompromise || time.Since(id.Revocation.At) > time.Minute {
		t.Errorf("%+v", id.Revocation)
	}
	if id.Names != (Names{}) || NamesOf(id.Certificate).Account != "alice" {
		t.Errorf("a failed identity has names: %+v", id.Names)
	}
	w.check(c, bob, "FAILED:on-hold")
	w.set(func() { w.revoked = w.revoked[:1] }) // bob is released
	w.publish()
	w.fetch(c)
	w.check(c, bob, "SUCCESS")
}

func TestNoCertificate(t *testing.T) {
	w := newWorld(t)
	id, err := w.fresh(w.config()).Check(t.Context(), nil)
	if id.Result != None || !errors.Is(err, ErrNoCertificate) {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestDates(t *testing.T) {
	w := newWorld(t)
	c := w.fresh(w.config())
	alice := w.alice()
	w.check(c, alice, "SUCCESS")
	w.set(func() { w.clock = alice.Leaf.NotAfter.Add(time.Minute) })
	w.publish()
	w.fetch(c)
	w.check(c, alice, "FAILED:expired")
	w.set(func() { w.clock = alice.Leaf.NotBefore.Add(-time.Hour) })
	w.check(c, alice, "FAILED:not-yet-valid")
}

func TestOthersCertificates(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	c := w.fresh(w.config())
	stranger := other.alice()
	id := w.check(c, stranger, "FAILED:unknown-issuer")
	if id.Chain != nil || id.Account != "" {
		t.Errorf("%+v", id)
	}
	// An expired one of another CA is of another CA.
	w.set(func() { w.clock = stranger.Leaf.NotAfter.Add(time.Hour) })
	w.check(c, stranger, "FAILED:unknown-issuer")
	// What a client sends beside it changes nothing.
	if id, _ := c.Check(t.Context(), []*x509.Certificate{stranger.Leaf, other.Intermediate, other.Root}); id.Reason != UnknownIssuer {
		t.Errorf("%s", id)
	}
}

func TestUsage(t *testing.T) {
	w := newWorld(t)
	c := w.fresh(w.config())
	key := catest.Key(t)
	server, err := w.Issuer.IssueServer(t.Context(), w.Serial(t), key.Public(), []string{"127.0.0.1"}, w.URLs, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.check(c, certificate(t, server, key), "FAILED:wrong-usage")
	w.check(c, &tls.Certificate{Leaf: w.responder.Certificate}, "FAILED:wrong-usage")
	w.check(c, &tls.Certificate{Leaf: w.Intermediate}, "FAILED:wrong-usage")
	w.check(c, &tls.Certificate{Leaf: w.Root}, "FAILED:wrong-usage")
}

// Of another CA's certificate, what it is for is of no matter.
func TestTheIssuerComesBeforeTheUsage(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	c := w.fresh(w.config())
	odd := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for name, template := range map[string]*x509.Certificate{
		"of a CA":            {IsCA: true, BasicConstraintsValid: true},
		"of a CA, our name":  {IsCA: true, BasicConstraintsValid: true, RawSubject: w.Root.RawSubject},
		"for a server":       {ExtKeyUsage: server},
		"of nothing":         {},
		"of odd extensions":  {ExtraExtensions: []pkix.Extension{odd}},
		"odd, for a server":  {ExtraExtensions: []pkix.Extension{odd}, ExtKeyUsage: server},
		"of a CA, odd, ours": {IsCA: true, BasicConstraintsValid: true, ExtraExtensions: []pkix.Extension{odd}, RawSubject: w.Intermediate.RawSubject},
	} {
		t.Run(name, func(t *testing.T) {
			template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(7), w.clock.Add(-time.Hour), w.clock.Add(time.Hour)
			key := catest.Key(t)
			der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key) // its own issuer
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			w.check(c, &tls.Certificate{Leaf: leaf}, "FAILED:unknown-issuer")
		})
	}
	w.check(c, &tls.Certificate{Leaf: other.Intermediate}, "FAILED:unknown-issuer")
	w.check(c, &tls.Certificate{Leaf: other.Root}, "FAILED:unknown-issuer")
}

// A revoked intermediate takes all below it along.
func TestEveryLevel(t *testing.T) {
	w := newWorld(t)
	c := w.fresh(w.config())
	alice := w.alice()
	w.check(c, alice, "SUCCESS")
	w.revoke(w.Intermediate, ca.CACompromise)
	w.publish()
	w.fetch(c)
	id := w.check(c, alice, "FAILED:revoked")
	if id.Revocation == nil || id.Revocation.Certificate != w.Intermediate {
		t.Errorf("%+v", id.Revocation)
	}
}

func TestNoCRL(t *testing.T) {
	w := newWorld(t)
	alice := w.alice()
	for _, path := range []string{w.issuerCRL(), w.rootCRL()} {
		w.publish()
		w.set(func() { delete(w.files, path) })
		c := w.checker(w.config())
		if err := w.tryFetch(c); err == nil {
			t.Error("fetching succeeds without a level")
		}
		w.check(c, alice, "FAILED:no-crl")
		open := w.config()
		open.FailOpen = true
		c = w.checker(open)
		_ = w.tryFetch(c)
		if id := w.check(c, alice, "SUCCESS"); !id.Unchecked || id.Account != "alice" {
			t.Errorf("%+v", id)
		}
	}
}

func TestCRLRunsOut(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.alice(), w.person("bob", time.Now())
	w.revoke(bob.Leaf, ca.Superseded)
	w.publish()
	open := w.config()
	open.FailOpen = true
	closed, opened := w.fresh(w.config()), w.fresh(open)
	w.set(func() { w.down = true })
	w.pass(9*time.Hour + time.Minute)
	for _, c := range []*Checker{closed, opened} {
		if c.Health() == nil || w.tryFetch(c) == nil {
			t.Error("all is well without a CRL in force")
		}
	}
	w.check(closed, alice, "FAILED:crl-expired")
	w.check(closed, bob, "FAILED:revoked")
	if id := w.check(opened, alice, "SUCCESS"); !id.Unchecked {
		t.Error("let in unchecked, and not said")
	}
	w.check(opened, bob, "FAILED:revoked") // what is known is known
	w.set(func() { w.down = false })
	w.publish()
	w.fetch(closed)
	w.check(closed, alice, "SUCCESS")
	if err := closed.Health(); err != nil {
		t.Error(err)
	}
}

// What is fetched never makes things worse.
func TestWorseCRLs(t *testing.T) {
	w := newWorld(t)
	alice := w.alice()
	old := w.files[w.issuerCRL()]
	w.revoke(alice.Leaf, ca.KeyCompromise)
	w.publish()
	c := w.fresh(w.config())
	number := w.number
	other := newWorld(t)
	for name, body := range map[string][]byte{
		"older": old, "HTML": []byte("<html>"), "half": w.files[w.issuerCRL()][:100], "another CA's": other.files[other.issuerCRL()],
		"root's":         w.files[w.rootCRL()],
		"same number":    w.list(w.Issuer, crl.Head{Number: number}, nil),
		"run out":        w.list(w.Issuer, crl.Head{Number: number + 1, ThisUpdate: w.clock.Add(-2 * time.Hour), NextUpdate: w.clock.Add(-time.Hour)}, nil),
		"of a partition": w.list(w.Issuer, crl.Head{Number: number + 1, IDP: catest.URL + "/crl/x/1.crl"}, nil),
		"a delta":        w.list(w.Issuer, crl.Head{Number: number + 1, Base: number}, nil),
		"empty":          nil,
	} {
		w.set(func() { w.files[w.issuerCRL()] = body })
		if err := w.tryFetch(c); err == nil {
			t.Errorf("%s: taken", name)
		}
		w.check(c, alice, "FAILED:revoked")
	}
}

func TestRestartWhileTheCAIsDown(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.alice(), w.person("bob", time.Now())
	w.revoke(bob.Leaf, ca.KeyCompromise)
	w.publish()
	config := w.config()
	config.Dir = filepath.Join(t.TempDir(), "crls")
	w.fresh(config)
	w.set(func() { w.down = true })
	c := w.checker(config)
	_ = w.tryFetch(c)
	w.check(c, alice, "SUCCESS")
	w.check(c, bob, "FAILED:revoked")

	// An old list is not taken in the place of the copy.
	w.set(func() { w.down = false; w.files[w.issuerCRL()] = w.list(w.Issuer, crl.Head{Number: 5}, nil) })
	if w.tryFetch(c) == nil {
		t.Error("an older CRL is taken after a restart")
	}
	w.check(c, bob, "FAILED:revoked")

	// A copy that somebody changed is fetched anew.
	path := filepath.Join(config.Dir, w.Issuer.ID()+".crl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	w.set(func() { w.down = true })
	w.check(w.checker(config), alice, "FAILED:no-crl")
}

func TestBundle(t *testing.T) {
	w := newWorld(t)
	config := w.config()
	config.Authorities[0].URL, config.Authorities[0].CRLs = "", []string{catest.URL + "/crl/bundle.pem"}
	w.set(func() { w.files["/crl/bundle.pem"] = crl.EncodePEM(w.files[w.issuerCRL()], w.files[w.rootCRL()]) })
	w.check(w.fresh(config), w.alice(), "SUCCESS")
}

func TestSeveralAuthorities(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	config := w.config()
	theirs := other.config().Authorities[0]
	theirs.URL = other.server.URL
	config.Authorities = append(config.Authorities, theirs)
	config.Authorities[0].URL, config.HTTP = w.server.URL, nil
	c := w.fresh(config)
	mine, yours := w.alice(), other.alice()
	w.check(c, mine, "SUCCESS")
	w.check(c, yours, "SUCCESS")
	other.revoke(yours.Leaf, ca.Superseded)
	other.publish()
	w.fetch(c)
	w.check(c, mine, "SUCCESS")
	w.check(c, yours, "FAILED:revoked")
	// One CA that is down does not keep the other's from being fetched.
	other.set(func() { other.down = true })
	w.revoke(mine.Leaf, ca.Superseded)
	w.publish()
	if w.tryFetch(c) == nil {
		t.Error("one CA is down, and nobody says so")
	}
	w.check(c, mine, "FAILED:revoked")
}

func TestConfig(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*Config){
		"no CA":          func(c *Config) { c.Authorities = nil },
		"no certificate": func(c *Config) { c.Authorities[0].Certificates = nil },
		"no root":        func(c *Config) { c.Authorities[0].Certificates = c.Authorities[0].Certificates[1:] },
		"no URL":         func(c *Config) { c.Authorities[0].URL = "" },
		"no URL, OCSP":   func(c *Config) { c.Authorities[0].URL, c.OCSP.Use = "", OCSPInstead },
		"a file":         func(c *Config) { c.Authorities[0].URL = "file:///etc/passwd" },
		"a leaf":         func(c *Config) { c.Authorities[0].Certificates = append(c.Authorities[0].Certificates, w.alice().Leaf) },
		"OCSP":           func(c *Config) { c.OCSP.Use = "always" },
		"OCSP's URL":     func(c *Config) { c.OCSP.URL = "ldap://x" },
		"folder":         func(c *Config) { c.Dir = "/dev/null/x" },
	} {
		c := w.config()
		c.Authorities[0].Certificates = append([]*x509.Certificate{}, c.Authorities[0].Certificates...)
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestReadCertificates(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "chain.pem")
	var text []byte
	for _, c := range []*x509.Certificate{w.Root, w.Intermediate} {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if certs, err := ReadCertificates(path); err != nil || len(certs) != 2 || !certs[0].Equal(w.Root) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCertificates(path); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
