package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"signet/internal/exit"
)

// openTerminal is a pseudo-terminal: a person's end and a program's.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// A Ctrl-C where the passphrase is asked for ends the command, makes nothing, and
// leaves a terminal that shows what is typed.
func TestAnInterruptedPromptLeavesTheTerminalAsItWas(t *testing.T) {
	person, program := openTerminal(t)
	dir := filepath.Join(t.TempDir(), "ca")
	cmd := exec.Command("signetd", "init", "--dir", dir, "--host", "ca.example")
	var talk bytes.Buffer
	cmd.Stdin, cmd.Stderr = program, &talk
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); echoes(t, program); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			_ = cmd.Process.Kill()
			t.Fatal("it asked for no passphrase")
		}
	}
	if _, err := person.WriteString("secret\x03"); err != nil {
		t.Fatal(err)
	}
	var exited *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exited) || exited.ExitCode() != exit.Failed {
		t.Errorf("%v, want exit code %d: %s", err, exit.Failed, talk.String())
	}
	if !echoes(t, program) {
		t.Error("the terminal doesn't echo any more")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("it left %v, %v", files, err)
	}
}
