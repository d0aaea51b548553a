//go:build step

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"signet/e2e/harness"
)

// verifiers is the table of programs that look at certificates and CRLs by themselves.
const verifiers = "Programs that verify"

// A stepCLI is step, beside a CA with every shape of CRL and one certificate of a partition.
type stepCLI struct {
	t              *testing.T
	program, name  string
	ca             *harness.CA
	serial         string
	partition      string // the URL of the CRL in the certificate
	leaf, issuer   string // files: the certificate and its issuer's, the issuer's alone
	root           string
	complete, tops string // URLs of the issuer's complete CRL and the root's
}

func TestStep(t *testing.T) {
	seen.order(verifiers, "complete CRL, partition's, deltas of both", "the root's CRL", "by another key", "a good certificate, by CRL and OCSP",
		"on hold", "released", "revoked")
	s := newStepCLI(t)
	s.lists(0)
	s.says("the root's CRL", s.inspect(s.root, s.tops, 0), "valid")
	if valid, _ := s.list(s.root, s.complete); valid {
		t.Error("a CRL is valid by a key that did not sign it")
	}
	seen.say(verifiers, s.name, "by another key", "not valid")
	s.verify("a good certificate, by CRL and OCSP", "", "")
	s.signetd("cert", "hold", s.serial)
	s.lists(1)
	s.verify("on hold", "marked as revoked in CRL "+s.partition, "has been revoked according to OCSP")
	s.signetd("cert", "release", s.serial)
	s.verify("released", "", "")
	s.signetd("cert", "revoke", "--reason", "keyCompromise", s.serial)
	s.lists(1)
	s.verify("revoked", "marked as revoked in CRL "+s.partition, "has been revoked according to OCSP")
	s.says("complete CRL, partition's, deltas of both", nil, "valid, with the entry")
	s.fingerprint()
}

func newStepCLI(t *testing.T) *stepCLI {
	s := &stepCLI{t: t, program: os.Getenv("STEP")}
	if s.program == "" {
		s.program = "../../bin/step"
	}
	var err error
	s.program, err = filepath.Abs(s.program)
	must(t, err)
	if _, err := os.Stat(s.program); err != nil {
		t.Fatalf("there is no step: \"make step\" builds it (%v)", err)
	}
	said, err := s.run("version")
	must(t, err)
	s.name = "step CLI " + strings.TrimPrefix(after(said, "CLI/"), "v")
	s.ca, err = harness.New(t.Context(), bin, t.TempDir(), map[string]string{"#delta =": "delta = true", "#partitions =": "partitions = 2"})
	must(t, err)
	t.Cleanup(func() { _ = s.ca.Stop() })
	must(t, s.ca.Start(t.Context()))
	must(t, s.ca.AddUser(t.Context(), user))
	s.prepare()
	return s
}

// prepare writes the files that step reads, and takes the URLs out of the certificate.
func (s *stepCLI) prepare() {
	t, dir := s.t, s.t.TempDir()
	cert, err := s.ca.Enroll(t.Context(), user)
	must(t, err)
	s.serial, s.partition = harness.SerialOf(cert.Leaf), cert.Leaf.CRLDistributionPoints[0]
	bundle, err := get(t.Context(), s.ca.HTTP+"/ca/bundle.pem")
	must(t, err)
	root, rest := pem.Decode(bundle)
	issuer, _ := pem.Decode(rest)
	leaf := &pem.Block{Type: "CERTIFICATE", Bytes: cert.Leaf.Raw}
	write := func(name string, blocks ...*pem.Block) string {
		var text bytes.Buffer
		for _, b := range blocks {
			must(t, pem.Encode(&text, b))
		}
		must(t, os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600))
		return filepath.Join(dir, name)
	}
	s.root, s.issuer, s.leaf = write("root.pem", root), write("issuer.pem", issuer), write("alice.pem", leaf, issuer)
	issuers, err := s.run("certificate", "inspect", "--format", "json", s.issuer)
	must(t, err)
	var of struct {
		Extensions struct {
			CRL []string `json:"crl_distribution_points"`
		} `json:"extensions"`
	}
	must(t, json.Unmarshal([]byte(issuers), &of))
	s.tops = of.Extensions.CRL[0]
	u, err := url.Parse(s.partition) // "/crl/ID/1.crl"
	must(t, err)
	u.Path = filepath.Dir(u.Path) + ".crl"
	s.complete = u.String()
}

// run runs step in a home of its own.
func (s *stepCLI) run(args ...string) (string, error) {
	home := s.t.TempDir()
	cmd := exec.CommandContext(s.t.Context(), s.program, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "STEPPATH="+home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("step %q: %w\n%s", args, err, out)
	}
	return string(out), err
}

func (s *stepCLI) signetd(args ...string) {
	s.t.Helper()
	_, err := s.ca.Signetd(s.t.Context(), args...)
	must(s.t, err)
}

// lists inspects the CRLs that the certificate is on, each with so many entries.
func (s *stepCLI) lists(entries int) {
	s.t.Helper()
	for _, list := range []string{s.complete, s.partition} {
		must(s.t, s.inspect(s.issuer, list, entries))
		must(s.t, s.inspect(s.issuer, strings.TrimSuffix(list, ".crl")+".delta.crl", entries))
	}
}

func (s *stepCLI) inspect(by, list string, entries int) error {
	if valid, n := s.list(by, list); !valid || n != entries {
		return fmt.Errorf("%s: valid is %v, with %d entries and not %d", list, valid, n, entries)
	}
	return nil
}

// list is what step reads in a CRL, and whether it holds by that file's key.
func (s *stepCLI) list(by, list string) (valid bool, entries int) {
	s.t.Helper()
	said, err := s.run("crl", "inspect", "--format", "json", "--ca", by, list)
	must(s.t, err)
	var of struct {
		Revoked   []json.RawMessage `json:"revoked_certificates"`
		Signature struct {
			Valid bool `json:"valid"`
		} `json:"signature"`
	}
	must(s.t, json.Unmarshal([]byte(said), &of))
	return of.Signature.Valid, len(of.Revoked)
}

// verify has the certificate verified by CRL and by OCSP; each complains of what it
// should, and of nothing where that is "".
func (s *stepCLI) verify(column, byCRL, byOCSP string) {
	s.t.Helper()
	for flag, want := range map[string]string{"--verify-crl": byCRL, "--verify-ocsp": byOCSP} {
		said, err := s.run("certificate", "verify", "--roots", s.root, flag, s.leaf)
		if (err != nil) != (want != "") || !strings.Contains(said, want) {
			s.t.Errorf("%s, %s: %v, which should say %q", column, flag, err, want)
		}
	}
	words := "verified"
	if byCRL != "" {
		words = "refused by both"
	}
	s.says(column, nil, words)
}

func (s *stepCLI) says(column string, err error, words string) {
	s.t.Helper()
	must(s.t, err)
	seen.say(verifiers, s.name, column, words)
}

// fingerprint is the same that "signetd init" prints and "signet enroll" wants.
func (s *stepCLI) fingerprint() {
	said, err := s.run("certificate", "fingerprint", s.root)
	must(s.t, err)
	want := fmt.Sprintf("%x", sha256.Sum256(s.ca.Root.Raw))
	if strings.TrimSpace(said) != want {
		s.t.Errorf("the root's fingerprint is %s, not %s", said, want)
	}
}
