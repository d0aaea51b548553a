package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/ca"
	"signet/enroll/ceremony"
	"signet/internal/dn"
	"signet/internal/exit"
)

// terminal is the person at the terminal, or the script that stands in: talk on
// stderr, questions without echo, answers from files where given.
type terminal struct {
	c *cli.Context
	// step counts the steps begun.
	step int
	// changing is for a command that asks for the PIN in force and a new one.
	changing bool
}

var _ ceremony.UI = (*terminal)(nil)

func (t *terminal) say(format string, args ...any) {
	fmt.Fprintf(t.c.App.ErrWriter, format+"\n", args...)
}

func (t *terminal) Step(s ceremony.Step) {
	t.step++
	t.say("%2d. %s", t.step, s)
}

func (t *terminal) Note(text string) { t.say("    %s", text) }
func (t *terminal) Touch()           { t.say("    Touch your YubiKey now") }

var (
	pinSecret    = secret{flag: "pin-file", env: "SIGNET_PIN", what: "PIN of the card"}
	newPINSecret = secret{flag: "pin-file", env: "SIGNET_PIN", what: "New PIN for the card (6 to 8 characters)", noun: "new PIN", twice: true, rules: secretRules}
	newPUKSecret = secret{flag: "puk-file", env: "SIGNET_PUK", what: "New PUK, which unblocks the PIN (6 to 8 characters)", noun: "new PUK", twice: true, rules: secretRules}

	// Where the secrets in force are asked for too, the new ones have files of their own.
	otherPINSecret = secret{flag: "new-pin-file", env: "SIGNET_NEW_PIN", what: newPINSecret.what, noun: "new PIN", twice: true, rules: secretRules}
	pukSecret      = secret{flag: "puk-file", env: "SIGNET_PUK", what: "PUK of the card"}
	otherPUKSecret = secret{flag: "new-puk-file", env: "SIGNET_NEW_PUK", what: newPUKSecret.what, noun: "new PUK", twice: true, rules: secretRules}
)

// secretRules are said before a new PIN or PUK is typed; ceremony.CheckPIN and CheckPUK hold to them.
const secretRules = "6 to 8 digits or letters, and none of the first that anyone would try: 111111, 123456, 121212 and their like"

func (t *terminal) PIN(_ context.Context, tries int, refused error) (string, error) {
	if tries <= 2 && refused == nil { // else the refusal says it
		t.say("    %d PIN tries are left", tries)
	}
	return t.answer(pinSecret, refused)
}

func (t *terminal) NewPIN(_ context.Context, refused error) (string, error) {
	if t.changing {
		return t.answer(otherPINSecret, refused)
	}
	return t.answer(newPINSecret, refused)
}

func (t *terminal) NewPUK(_ context.Context, refused error) (string, error) {
	return t.answer(newPUKSecret, refused)
}

func (t *terminal) PUK(_ context.Context, tries int, refused error) (string, error) {
	if tries > 0 && refused == nil {
		t.say("    PUK tries left: %d", tries)
	}
	return t.answer(pukSecret, refused)
}

// answer is the secret. A file or the environment has but one: where that was
// refused, there is no other, and a pipe can't be read again.
func (t *terminal) answer(s secret, refused error) (string, error) {
	switch {
	case refused != nil && s.isGiven(t.c):
		return "", refused
	case refused != nil:
		t.say("    %v", refused)
	}
	return s.read(t.c)
}

// Replace shows what is in the slots and has the card's serial number typed, once for all.
func (t *terminal) Replace(_ context.Context, all []ceremony.Occupied) error {
	destroyed := len(all)
	for _, o := range all {
		t.say("Slot %s of card %d is in use:", o.Slot, o.Card.Serial)
		if o.Certificate != nil {
			describe(t.c.App.ErrWriter, o.Certificate)
		} else {
			t.say("  a key without a certificate that can be read")
		}
		switch {
		case o.Keep != 0:
			t.say("  Its key is moved to slot %s: what was encrypted to it can be read.", o.Keep)
			destroyed--
		case o.Encrypts:
			t.say("  Without its key, messages that were encrypted to it can't be read any more.")
		}
	}
	if !t.c.Bool("keep-old") {
		t.say("What this CA has certified for it is revoked as superseded then; --keep-old leaves that in force.")
	}
	if t.c.Bool("yes") {
		return nil
	}
	warning := "Its key will be destroyed for good."
	switch {
	case destroyed == 0:
		warning = "No key will be destroyed."
	case len(all) > destroyed:
		warning = "The other keys will be destroyed for good."
	case destroyed > 1:
		warning = fmt.Sprintf("The keys in these %d slots will be destroyed for good.", destroyed)
	}
	return confirmSerial(t.c, warning, all[0].Card.Serial, "In a script, give --yes.")
}

// confirmSerial has the card's serial number typed.
func confirmSerial(c *cli.Context, warning string, serial uint32, hint string) error {
	fmt.Fprintln(c.App.ErrWriter, warning)
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return exit.With(exit.Usage, errNoConfirmation, hint)
	}
	line, err := askLine(c, fmt.Sprintf("Type the card's serial number (%d) to go on", serial), "")
	if err != nil {
		return err
	}
	if line != fmt.Sprint(serial) {
		return exit.With(exit.Failed, errors.New("not confirmed: nothing was changed"), "")
	}
	return nil
}

var errNoConfirmation = errors.New("a confirmation is wanted, and there is no terminal to ask at")

// askLine asks a question that isn't secret. No answer is "".
func askLine(c *cli.Context, question, suggestion string) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", exit.With(exit.Usage, errNoConfirmation, "In a script, give --yes.")
	}
	if suggestion != "" {
		question += " [" + suggestion + "]"
	}
	fmt.Fprintf(c.App.ErrWriter, "%s: ", question)
	done := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(os.Stdin, maxSecret)).ReadString('\n')
		done <- strings.TrimSpace(line)
	}()
	select {
	case line := <-done:
		if line == "" {
			line = suggestion
		}
		return line, nil
	case <-c.Context.Done():
		return "", c.Context.Err()
	}
}

// describe shows a certificate in a few lines.
func describe(w io.Writer, cert *x509.Certificate) {
	fmt.Fprintf(w, "  subject  %s\n", dn.String(cert.RawSubject))
	fmt.Fprintf(w, "  issuer   %s\n", dn.String(cert.RawIssuer))
	fmt.Fprintf(w, "  serial   %s\n", serialOf(cert))
	fmt.Fprintf(w, "  until    %s (%s)\n", cert.NotAfter.UTC().Format("2006-01-02 15:04 MST"), left(cert.NotAfter, time.Now()))
}

// serialOf is the serial number in hex, as the CA writes its own.
func serialOf(cert *x509.Certificate) string {
	if s, ok := ca.SerialOf(cert.SerialNumber); ok {
		return s.String()
	}
	return fmt.Sprintf("%x", cert.SerialNumber)
}

// left says how long a certificate still holds.
func left(until, now time.Time) string {
	days := int(until.Sub(now).Hours() / 24)
	switch {
	case now.After(until):
		return "expired"
	case days == 0:
		return "less than a day left"
	case days == 1:
		return "1 day left"
	}
	return fmt.Sprintf("%d days left", days)
}
