package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"signet/internal/exit"
)

// At a terminal, whoever disables an account says what becomes of what hangs on it. Anything
// else than "keep" or a reason changes nothing.
func TestLeavingIsAsked(t *testing.T) {
	dir := t.TempDir()
	pass := filepath.Join(dir, "pass")
	if err := os.WriteFile(pass, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "ca")
	signetd := func(answer string, args ...string) (code int, out string) {
		t.Helper()
		person, program := openTerminal(t)
		cmd := exec.Command("signetd", append(args, "--dir", dir)...)
		var all bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = program, &all, &all
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if _, err := person.WriteString(answer + "\n"); err != nil { // it waits in the terminal until it is read
			t.Fatal(err)
		}
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode(), all.String()
	}
	for _, c := range []struct {
		answer string
		args   []string
		code   int
		says   string
	}{
		{"", []string{"init", "--host", "ca.example", "--password-file", pass}, exit.OK, "Made in"},
		{"", []string{"user", "add", "alice", "--no-password"}, exit.OK, "alice"},
		{"", []string{"code", "new", "alice"}, exit.OK, "enroll once"},
		{"perhaps", []string{"user", "disable", "alice"}, exit.Failed, "not confirmed: nothing was changed"},
		{"certificateHold", []string{"user", "disable", "alice"}, exit.Failed, "not confirmed"},
		{"", []string{"user", "show", "alice"}, exit.OK, "enabled"},
		{"keep", []string{"user", "disable", "alice"}, exit.OK, "Disabled alice"},
		{"cessationOfOperation", []string{"user", "disable", "alice"}, exit.OK, "1 deleted"},
		{"", []string{"user", "disable", "alice"}, exit.OK, "disabled already"},
		{"", []string{"card", "assign", "7", "alice"}, exit.Denied, "disabled"},
		{"", []string{"card", "assign", "7", "--to-inventory"}, exit.OK, "inventory"},
		{"no", []string{"card", "retire", "7"}, exit.Failed, "nothing was changed"},
		{"retire", []string{"card", "retire", "7"}, exit.OK, "retired"},
	} {
		if code, out := signetd(c.answer, c.args...); code != c.code || !strings.Contains(out, c.says) {
			t.Fatalf("%v, answered with %q: exit code %d, want %d with %q:\n%s", c.args, c.answer, code, c.code, c.says, out)
		}
	}
}
