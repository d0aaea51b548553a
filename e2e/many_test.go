package e2e

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/ca"
	"signet/e2e/harness"
	"signet/internal/audit"
	"signet/revocation/crl"
	"signet/store/bolt"
)

// manyResult is what the command prints with --json.
type manyResult struct{ Changed, Already int }

// 100,000 revocations in one command, which is stopped on the way and given again: it
// takes seconds, few CRLs, and each certificate is revoked once.
func TestRevokeMany(t *testing.T) {
	const n = 100_000
	c := newCA(t, nil)
	issuer, serials := recordMany(t, c, n)
	list := filepath.Join(t.TempDir(), "serials")
	if err := os.WriteFile(list, []byte(strings.Join(serials, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	args := []string{"cert", "revoke", "--from", list, "--yes", "--reason", "cessationOfOperation"}
	interruptRevoking(t, c, args)
	before := crlsSigned(t, c)
	if before > 20 {
		t.Errorf("%d CRLs for a part of %d certificates", before, n)
	}

	var result manyResult
	start := time.Now()
	if err := c.SignetdJSON(t.Context(), &result, args...); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	crls := crlsSigned(t, c) - before
	t.Logf("stopped after %d; the other %d were revoked in %s, with %d CRLs", result.Already, result.Changed, took.Round(time.Millisecond), crls)
	if result.Changed+result.Already != n || result.Already == 0 || result.Changed == 0 {
		t.Errorf("%+v, want %d in all, some of them by the first command", result, n)
	}
	if limit := 3 + 2*int(took/time.Second); crls > limit {
		t.Errorf("%d CRLs in %s", crls, took)
	}
	if got := entriesOf(t, c, issuer); got != n {
		t.Errorf("%d entries on the CRL, want %d", got, n)
	}
	if err := c.SignetdJSON(t.Context(), &result, args...); err != nil || result != (manyResult{0, n}) {
		t.Errorf("once more: %+v, %v", result, err)
	}
}

// recordMany puts n certificates into the store of a CA that doesn't run. They are
// records alone, without a key of their own: to enroll so many takes longer.
func recordMany(t *testing.T, c *harness.CA, n int) (issuer string, serials []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir, "intermediate.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	issuer = ca.IssuerID(cert)
	s, err := bolt.Open(filepath.Join(c.Dir, "signet.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	source, now := ca.NewSerialSource(s), time.Now().Truncate(time.Second)
	serials = make([]string, n)
	group, ctx := errgroup.WithContext(t.Context())
	var next atomic.Int64
	for range 512 {
		group.Go(func() error {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				serial, err := source.Next(ctx)
				if err != nil {
					return err
				}
				serials[i-1] = serial.String()
				err = s.RecordCertificate(ctx, ca.Certificate{
					Issuer: issuer, Serial: serial, DER: []byte{0x30, 0}, Account: "alice", Profile: "user", Subject: "CN=Alice",
					KeyID: sha256.Sum256(serial[:]), NotBefore: now, NotAfter: now.AddDate(1, 0, 0), IssuedAt: now,
				}, audit.Event{Time: now, Actor: audit.Operator, Action: "certificate.issue", Object: serial.String()})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return issuer, serials
}

// interruptRevoking gives the command and interrupts it when it has told of progress.
func interruptRevoking(t *testing.T, c *harness.CA, args []string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "signetd"), append(args, "--dir", c.Dir)...)
	talk, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	interrupted := false
	for part := make([]byte, 1024); ; {
		n, err := talk.Read(part)
		said.Write(part[:n])
		if !interrupted && strings.Contains(said.String(), " of 100000\n") {
			interrupted = cmd.Process.Signal(syscall.SIGINT) == nil // a second one would end it at once
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "goes on with the rest") {
		t.Errorf("interrupted, it ended with %v and said %s", err, said.String())
	}
}

func crlsSigned(t *testing.T, c *harness.CA) (n int) {
	t.Helper()
	text, err := os.ReadFile(c.LogPath())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "crl.sign") && strings.Contains(line, "stage=end") {
			n++
		}
	}
	return n
}

// entriesOf fetches the CRL that is in force.
func entriesOf(t *testing.T, c *harness.CA, issuer string) int {
	t.Helper()
	resp, err := http.Get(c.HTTP + "/crl/" + issuer + ".crl")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	der, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	l, err := crl.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return l.Entries
}
