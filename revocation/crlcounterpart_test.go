package revocation_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/revocation"
	"signet/revocation/crl"
)

// hierarchy is one whose keys are of these algorithms.
func hierarchy(t *testing.T, root, intermediate string) *catest.Hierarchy {
	t.Helper()
	return hierarchyAt(t, root, intermediate, catest.URL)
}

// hierarchyAt is one whose plain HTTP listener is at url.
func hierarchyAt(t *testing.T, root, intermediate, url string) *catest.Hierarchy {
	t.Helper()
	h := catest.NewAt(t, time.Now().Add(-time.Hour))
	var err error
	h.Hierarchy, err = ca.NewHierarchy(ca.SetupConfig{
		Name: "Test", RootAlgorithm: root, IntermediateAlgorithm: intermediate, URL: url,
		RootSerial: h.Serial(t), IntermediateSerial: h.Serial(t), Now: time.Now().Add(-time.Hour),
	})
	must(t, err)
	h.RootIssuer, err = h.Hierarchy.RootIssuer()
	must(t, err)
	h.Issuer, err = h.Hierarchy.Issuer()
	must(t, err)
	h.URLs = ca.URLsAt(url, h.Issuer.ID())
	return h
}

// live makes a world whose certificates point to a server that answers, but not about
// OCSP: what programs do then shows what they make of CRLs.
func live(t *testing.T, root, intermediate string, change func(*revocation.Config)) *world {
	t.Helper()
	var w *world
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ocsp") {
			http.NotFound(rw, r)
			return
		}
		w.handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	w = newWorldOf(t, hierarchyAt(t, root, intermediate, s.URL), change)
	w.url = s.URL
	return w
}

func TestOthersAcceptTheCRLs(t *testing.T) {
	for _, keys := range []struct {
		root, intermediate string
		nss                bool // NSS 3.87 knows no Ed25519
	}{
		{"P-384", "P-256", true}, {"RSA-3072", "P-384", true}, {"P-256", "RSA-2048", true}, {"Ed25519", "Ed25519", false},
	} {
		for _, others := range []int{0, 20, 100_000} { // beside alice
			t.Run(fmt.Sprintf("%s and %s, %d", keys.root, keys.intermediate, others), func(t *testing.T) {
				t.Parallel()
				w := live(t, keys.root, keys.intermediate, nil)
				alice, bob := w.issue("alice"), w.issue("bob")
				if others == 0 {
					w.refresh()
					w.crlFiles(alice, bob)
					w.emptyAccepted()
				} else if others < 1000 {
					for _, reason := range []ca.Reason{ca.Unspecified, ca.KeyCompromise, ca.Superseded, ca.PrivilegeWithdrawn} {
						for range others / 4 {
							w.revoke(w.issue("carol"), reason)
						}
					}
				} else {
					w.conf.Store = newBigStore(t, w.store, others)
					w.restart()
				}
				w.revoke(alice, ca.KeyCompromise)
				w.refresh()
				w.crlFiles(alice, bob)
				w.acceptedByOpenSSL()
				if others < 1000 { // it reads each entry from the beginning of the list on: minutes
					w.acceptedByGnuTLS()
				}
				w.acceptedByStrongSwan(others + 1)
				if keys.nss {
					w.acceptedByNSS()
				}
			})
		}
	}
}

// crlFiles puts on disk what other programs want of CRLs.
func (w *world) crlFiles(alice, bob *ca.Certificate) {
	w.Helper()
	w.files(alice, bob)
	w.file("bundle.pem", w.get("/crl/bundle.pem").Body.Bytes())
	w.file("issuer.crl", w.get("/crl/"+w.Issuer.ID()+".crl").Body.Bytes())
	w.file("top.crl", w.get("/crl/"+w.RootIssuer.ID()+".crl").Body.Bytes())
}

// emptyAccepted: by a CRL without entries, nobody is revoked.
func (w *world) emptyAccepted() {
	w.Helper()
	w.acceptedByGnuTLS()
	for _, name := range []string{"alice.pem", "bob.pem"} {
		if out, err := w.opensslVerify("bundle.pem", name); err != nil {
			w.Errorf("openssl, with a CRL of none, refuses %s: %v\n%s", name, err, out)
		}
		if out, err := w.strongSwanVerify(name, "issuer.crl"); err != nil {
			w.Errorf("strongSwan, with a CRL of none, refuses %s: %v\n%s", name, err, out)
		}
	}
}

func (w *world) acceptedByOpenSSL() {
	w.Helper()
	for crl, issuer := range map[string]string{"issuer.crl": "issuer.pem", "top.crl": "root.pem"} {
		out, err := w.program("openssl", "openssl", "crl", "-inform", "DER", "-in", w.path(crl), "-CAfile", w.path(issuer), "-noout", "-text")
		if err != nil || !strings.Contains(out, "verify OK") {
			w.Errorf("openssl crl: %v\n%s", err, out)
		}
	}
	if out, err := w.opensslVerify("bundle.pem", "bob.pem"); err != nil {
		w.Errorf("openssl refuses bob: %v\n%s", err, out)
	}
	if out, err := w.opensslVerify("bundle.pem", "alice.pem"); err == nil || !strings.Contains(out, "certificate revoked") {
		w.Errorf("openssl lets alice in: %v\n%s", err, out)
	}
}

// opensslVerify verifies a certificate by the CRLs in a file.
func (w *world) opensslVerify(crls, name string, options ...string) (string, error) {
	w.Helper()
	args := append([]string{"verify", "-crl_check_all", "-x509_strict",
		"-CAfile", w.path("root.pem"), "-untrusted", w.path("issuer.pem"), "-CRLfile", w.path(crls)}, options...)
	return w.program("openssl", "openssl", append(args, w.path(name))...)
}

// acceptedByStrongSwan: by the file, and by what it fetches from where certificates say.
func (w *world) acceptedByStrongSwan(entries int) {
	w.Helper()
	out, err := w.program("strongswan-pki", "pki", "--print", "--type", "crl", "--in", w.path("issuer.crl"))
	plural := "s"
	if entries == 1 {
		plural = ""
	}
	if err != nil || !strings.Contains(out, fmt.Sprintf("%d revoked certificate%s", entries, plural)) {
		w.Errorf("pki --print: %v\n%.2000s", err, out)
	}
	for _, crls := range [][]string{{"issuer.crl", "top.crl"}, nil} {
		if out, err := w.strongSwanVerify("bob.pem", crls...); err != nil || strings.Count(out, "certificate status is good") != 2 {
			w.Errorf("strongSwan refuses bob by %q: %v\n%s", crls, err, out)
		}
		if out, err := w.strongSwanVerify("alice.pem", crls...); err == nil || !strings.Contains(out, "certificate was revoked") {
			w.Errorf("strongSwan lets alice in by %q: %v\n%s", crls, err, out)
		}
	}
}

func (w *world) strongSwanVerify(name string, crls ...string) (string, error) {
	w.Helper()
	args := []string{"--verify", "--online", "--in", w.path(name), "--cacert", w.path("root.pem"), "--cacert", w.path("issuer.pem")}
	for _, crl := range crls {
		args = append(args, "--crl", w.path(crl))
	}
	return w.program("strongswan-pki", "pki", args...)
}

func (w *world) acceptedByGnuTLS() {
	w.Helper()
	w.file("issuer.cer", w.get("/ca/"+w.Issuer.ID()+".cer").Body.Bytes())
	w.file("root.cer", w.get("/ca/"+w.RootIssuer.ID()+".cer").Body.Bytes())
	w.verifiedByGnuTLS("issuer.crl", "issuer.cer")
	w.verifiedByGnuTLS("top.crl", "root.cer")
}

func (w *world) verifiedByGnuTLS(crl, issuer string) {
	w.Helper()
	out, err := w.program("gnutls-bin", "certtool", "--verify-crl", "--inder", "--infile", w.path(crl), "--load-ca-certificate", w.path(issuer))
	if err != nil || !strings.Contains(out, "Verified") {
		w.Errorf("certtool --verify-crl %s: %v\n%s", crl, err, out)
	}
}

func (w *world) acceptedByNSS() {
	w.Helper()
	db := "sql:" + w.TempDir()
	run := func(name string, args ...string) (string, error) {
		return w.program("libnss3-tools", name, append(args, "-d", db)...)
	}
	steps := [][]string{
		{"certutil", "-N", "--empty-password"},
		{"certutil", "-A", "-n", "root", "-t", "CT,C,C", "-a", "-i", w.path("root.pem")},
		{"certutil", "-A", "-n", "issuer", "-t", "CT,C,C", "-a", "-i", w.path("issuer.pem")},
		{"crlutil", "-I", "-t", "1", "-i", w.path("top.crl")},
		{"crlutil", "-I", "-t", "1", "-i", w.path("issuer.crl")},
		{"certutil", "-A", "-n", "alice", "-t", ",,", "-a", "-i", w.path("alice.pem")},
		{"certutil", "-A", "-n", "bob", "-t", ",,", "-a", "-i", w.path("bob.pem")},
		{"certutil", "-V", "-n", "bob", "-u", "C"},
	}
	for _, step := range steps {
		if out, err := run(step[0], step[1:]...); err != nil {
			w.Errorf("%s: %v\n%s", strings.Join(step, " "), err, out)
		}
	}
	if out, err := run("certutil", "-V", "-n", "alice", "-u", "C"); err == nil || !strings.Contains(out, "revoked") {
		w.Errorf("NSS lets alice in: %v\n%s", err, out)
	}
}

// TestOthersAcceptPartitionsAndDeltas: OpenSSL and strongSwan take each scope's CRL,
// alone and with its delta. GnuTLS knows neither extension, and NSS takes complete
// CRLs alone: they take the complete one beside them.
func TestOthersAcceptPartitionsAndDeltas(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384", "RSA-2048", "Ed25519"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			w := live(t, "P-256", algorithm, nil)
			id := w.Issuer.ID()
			w.service.SetCRLs(w.URLs.CRL)
			var err error
			w.URLs.Partitions, err = revocation.EnsurePartitions(t.Context(), w.store, id, w.url, 2)
			must(t, err)
			issue := func(partition int) *ca.Certificate {
				for {
					if c := w.issue("x"); c.Partition == partition {
						return c
					}
				}
			}
			alice, bob, carol, dave := issue(1), issue(1), issue(1), issue(2)
			_, err = w.service.Revoker.Hold(t.Context(), carol.Serial, "boss")
			must(t, err)
			w.refresh()
			shapes := map[string]string{"complete": ".crl", "part": "/1.crl", "complete.delta": ".delta.crl", "part.delta": "/1.delta.crl"}
			for name, path := range shapes {
				w.file("old."+name+".crl", fetch(t, w.url+"/crl/"+id+path))
			}
			w.revoke(alice, ca.KeyCompromise)
			_, err = w.service.Revoker.Release(t.Context(), carol.Serial, "boss")
			must(t, err)
			w.refresh()
			for name, path := range shapes {
				w.file("new."+name+".crl", fetch(t, w.url+"/crl/"+id+path))
			}
			w.crlFiles(alice, bob)
			w.file("carol.pem", asPEM(carol.DER))
			w.file("dave.pem", asPEM(dave.DER))
			w.shapesAcceptedByOpenSSL()
			w.shapesAcceptedByStrongSwan()
			w.acceptedByOpenSSL()
			w.acceptedByGnuTLS()
			for name := range shapes {
				w.verifiedByGnuTLS("new."+name+".crl", "issuer.cer")
			}
			if algorithm != "Ed25519" {
				w.acceptedByNSS()
			}
		})
	}
}

func (w *world) shapesAcceptedByOpenSSL() {
	w.Helper()
	for _, c := range []struct {
		crls    []string
		options []string
		name    string
		refused string // what openssl says; "" where it accepts
	}{
		{[]string{"new.part"}, []string{"-extended_crl"}, "alice", "certificate revoked"},
		{[]string{"new.part"}, []string{"-extended_crl"}, "bob", ""},
		{[]string{"new.part"}, []string{"-extended_crl"}, "carol", ""},
		{[]string{"new.part"}, []string{"-extended_crl"}, "dave", "different CRL scope"},
		{[]string{"old.part"}, []string{"-extended_crl"}, "alice", ""},
		{[]string{"old.part"}, []string{"-extended_crl"}, "carol", "certificate revoked"},
		{[]string{"old.part", "new.part.delta"}, []string{"-extended_crl", "-use_deltas"}, "alice", "certificate revoked"},
		{[]string{"old.part", "new.part.delta"}, []string{"-extended_crl", "-use_deltas"}, "bob", ""},
		{[]string{"old.part", "new.part.delta"}, []string{"-extended_crl", "-use_deltas"}, "carol", ""},
		{[]string{"old.complete", "new.complete.delta"}, []string{"-extended_crl", "-use_deltas"}, "alice", "certificate revoked"},
		{[]string{"old.complete", "new.complete.delta"}, []string{"-extended_crl", "-use_deltas"}, "bob", ""},
		{[]string{"old.complete", "new.complete.delta"}, []string{"-extended_crl", "-use_deltas"}, "carol", ""},
		{[]string{"old.complete", "new.complete.delta"}, []string{"-extended_crl", "-use_deltas"}, "dave", ""},
		{[]string{"new.complete", "new.complete.delta"}, []string{"-extended_crl", "-use_deltas"}, "carol", ""},
		{[]string{"new.complete"}, nil, "alice", "certificate revoked"},
		{[]string{"new.complete"}, nil, "dave", ""},
	} {
		var ders [][]byte
		for _, name := range append(c.crls, "top") {
			der, err := os.ReadFile(w.path(name + ".crl"))
			must(w, err)
			ders = append(ders, der)
		}
		w.file("some.pem", crl.EncodePEM(ders...))
		out, err := w.opensslVerify("some.pem", c.name+".pem", c.options...)
		if (err == nil) != (c.refused == "") || !strings.Contains(out, c.refused) {
			w.Errorf("openssl, %s by %q %q: %v\n%s", c.name, c.crls, c.options, err, out)
		}
	}
}

// shapesAcceptedByStrongSwan: it fetches the delta that FreshestCRL names. Of one that
// takes a certificate off its base it makes nothing: carol is not asked about.
func (w *world) shapesAcceptedByStrongSwan() {
	w.Helper()
	for _, base := range []string{"old.part", "old.complete", "new.part", "new.complete"} {
		if out, err := w.strongSwanVerify("alice.pem", base+".crl"); err == nil || !strings.Contains(out, "certificate was revoked") {
			w.Errorf("strongSwan lets alice in by %s and its delta: %v\n%s", base, err, out)
		}
		out, err := w.strongSwanVerify("bob.pem", base+".crl")
		if err != nil || !strings.Contains(out, "delta.crl") {
			w.Errorf("strongSwan refuses bob by %s and its delta: %v\n%s", base, err, out)
		}
	}
	out, err := w.program("strongswan-pki", "pki", "--print", "--type", "crl", "--in", w.path("new.part.delta.crl"))
	if err != nil || !strings.Contains(out, "delta CRL:") || !strings.Contains(out, "remove from crl") || !strings.Contains(out, "2 revoked") {
		w.Errorf("pki --print of a delta: %v\n%s", err, out)
	}
}
