package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"signet/internal/exit"
)

// maxSecret bounds a password or passphrase, in octets.
const maxSecret = 1024

// minPassphrase is the shortest passphrase that may protect new CA keys.
const minPassphrase = 8

// A secretSource says where a password or passphrase comes from.
type secretSource struct {
	What string // "passphrase of the CA's keys"
	File string // "-" is stdin; "" asks at the terminal
	New  bool   // asked twice, for nobody can see what they type
}

// read returns the secret. What it fails with never holds any of it.
func (s secretSource) read() ([]byte, error) {
	switch {
	case s.File == "-":
		return s.from(os.Stdin)
	case s.File != "":
		return s.fromFile()
	case !term.IsTerminal(int(os.Stdin.Fd())):
		return nil, exit.With(exit.Usage, fmt.Errorf("the %s can't be asked for: stdin is no terminal", s.What),
			"Give it with --password-file FILE, or on stdin with --password-file -.")
	}
	return s.prompt()
}

func (s secretSource) fromFile() ([]byte, error) {
	f, err := os.Open(s.File)
	if err != nil {
		return nil, fmt.Errorf("reading the %s: %w", s.What, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && othersMay(info) && !s.isCredential() {
		fmt.Fprintf(os.Stderr, "signetd: warning: others than its owner may read %s (mode %04o)\n", s.File, info.Mode().Perm())
	}
	return s.from(f)
}

// isCredential reports whether systemd gave us the file (systemd.exec(5), LoadCredential=).
// It is then ours alone by an access list, whose mask the mode shows as the group's.
func (s secretSource) isCredential() bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	return dir != "" && filepath.Dir(s.File) == filepath.Clean(dir)
}

// from reads one line: what an editor or echo appends is no part of the secret.
func (s secretSource) from(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSecret+2))
	if err != nil {
		return nil, fmt.Errorf("reading the %s: %w", s.What, err)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	return data, s.check(data)
}

func (s secretSource) check(secret []byte) error {
	switch {
	case len(secret) == 0:
		return fmt.Errorf("the %s is empty", s.What)
	case len(secret) > maxSecret:
		return fmt.Errorf("the %s is longer than %d octets", s.What, maxSecret)
	case bytes.ContainsAny(secret, "\r\n"):
		return fmt.Errorf("the %s has more than one line", s.What)
	}
	return nil
}

// prompt asks at the terminal, without echo.
func (s secretSource) prompt() ([]byte, error) {
	first, err := ask("Enter the " + s.What + ": ")
	if err != nil || !s.New {
		return first, errors.Join(err, s.check(first))
	}
	again, err := ask("The same again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, errors.New("the two are not the same; nothing was done")
	}
	return first, s.check(first)
}

// ask reads a line without echo. A Ctrl-C ends it.
func ask(prompt string) ([]byte, error) {
	fmt.Fprint(os.Stderr, prompt)
	defer fmt.Fprintln(os.Stderr)
	in := int(os.Stdin.Fd())
	before, err := term.GetState(in)
	if err != nil {
		return nil, fmt.Errorf("reading from the terminal: %w", err)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	type answer struct {
		secret []byte
		err    error
	}
	typed := make(chan answer, 1)
	go func() {
		secret, err := term.ReadPassword(in)
		typed <- answer{secret, err}
	}()
	select {
	case a := <-typed:
		if a.err != nil {
			return nil, fmt.Errorf("reading from the terminal: %w", a.err)
		}
		return a.secret, nil
	case <-interrupted:
		// The read can't be ended; the terminal must echo again all the same.
		return nil, errors.Join(errors.New("interrupted; nothing was done"), term.Restore(in, before))
	}
}
