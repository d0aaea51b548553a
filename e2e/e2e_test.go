// Package e2e runs the whole of Signet as its users do, beside other people's
// programs: real processes, real files, real sockets.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"signet/e2e/harness"
	"signet/piv/softcard"
)

// bin is the folder of the programs under test, made by TestMain.
var bin string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "signet-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	if err := harness.Build(dir, "..", true, "signetd", "signet", "softcard"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// newCA makes a CA that is stopped when the test ends; it does not run yet.
func newCA(t *testing.T, replace map[string]string) *harness.CA {
	t.Helper()
	ca, err := harness.New(t.Context(), bin, t.TempDir(), replace)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ca.Stop() })
	return ca
}

// startCA makes a CA and starts it.
func startCA(t *testing.T) *harness.CA {
	t.Helper()
	ca := newCA(t, nil)
	if err := ca.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ca
}

// signetd runs an operator's command that must succeed.
func signetd(t *testing.T, ca *harness.CA, args ...string) []byte {
	t.Helper()
	out, err := ca.Signetd(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// addUser makes an account that enrolls by code.
func addUser(t *testing.T, ca *harness.CA, name string) {
	t.Helper()
	signetd(t, ca, "user", "add", name, "--name", name, "--email", name+"@example.com", "--no-password")
}

// newCode makes a code for an account.
func newCode(t *testing.T, ca *harness.CA, account string) string {
	t.Helper()
	var made struct{ Code string }
	if err := ca.SignetdJSON(t.Context(), &made, "code", "new", account); err != nil {
		t.Fatal(err)
	}
	return made.Code
}

// newApplicant is a key as if in a card of its own.
func newApplicant(t *testing.T, ca *harness.CA, cardSerial uint32) *harness.Applicant {
	t.Helper()
	device, err := ca.Cards.NewDevice(cardSerial, softcard.Version{5, 7, 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := harness.NewApplicant(device)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// output runs another program and returns what it printed on both its streams.
func output(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%v: scripts/need installs what the tests want", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}

// write puts a file into a folder and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
