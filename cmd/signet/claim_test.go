//go:build cgo

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

// One run of signet is at a card at a time, also while the card itself is free for a moment.
func TestOneRunAtACard(t *testing.T) {
	d := newDesk(t)
	dir := filepath.Join(d.dir, "state", "signet")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "card-1001.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if !lockNow(f) {
		t.Fatal("a file that nobody has can't be locked")
	}
	out, err := d.run("card", "setup", "--pin-file", "pin", "--puk-file", "puk").CombinedOutput()
	var exited *exec.ExitError
	if !errors.As(err, &exited) || exited.ExitCode() != exit.CardInUse || !strings.Contains(string(out), "another run of signet") {
		t.Errorf("%v\n%s", err, out)
	}
	d.must(t, d.run("card", "setup", "--dry-run"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	d.must(t, d.run("card", "setup", "--pin-file", "pin", "--puk-file", "puk"))
}
