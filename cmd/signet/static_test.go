package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"signet/internal/exit"
)

// A web server carries a static signet for "signet crl": all that wants a card says
// that this build has no support for one.
func TestStaticBuild(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "signet")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, line := range []string{"card list", "card info", "card reset", "enroll", "renew", "status", "enroll --json"} {
		out, err := exec.Command(bin, strings.Fields(line)...).CombinedOutput()
		var exited *exec.ExitError
		if !errors.As(err, &exited) || exited.ExitCode() != exit.NoCard || !strings.Contains(string(out), "no card support") {
			t.Errorf("signet %s: %v\n%s", line, err, out)
		}
	}
	if out, err := exec.Command(bin, "version").CombinedOutput(); err != nil || !strings.Contains(string(out), "without card support") {
		t.Errorf("signet version: %v\n%s", err, out)
	}
	out, err := exec.Command(bin, "crl", "fetch").CombinedOutput()
	var exited *exec.ExitError
	if !errors.As(err, &exited) || exited.ExitCode() != exit.Usage {
		t.Errorf("signet crl fetch: %v\n%s", err, out)
	}
}
