package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"time"

	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/internal/exit"
	"signet/internal/problem"
	"signet/piv"
)

// explain gives an error its exit code and says what to do next. One that has
// them keeps them.
func explain(err error) error {
	if err == nil || errors.As(err, new(*exit.Error)) {
		return err
	}
	for _, f := range []func(error) error{explainTyped, explainSentinel, explainProblem} {
		if e := f(err); e != nil {
			return e
		}
	}
	return err
}

// interrupted is what any error comes to that a person or the system caused by
// ending the program: what was being done then failed in a way of its own, the network
// for one with "can't be reached".
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return exit.With(exit.Failed, errors.New("interrupted"), "Run the command again: it goes on where it was.")
}

// hintPIN names both ways: only the CA knows whether it keeps the card's PUK.
const hintPIN = "Set a new PIN by the PUK: signet card unblock; where the CA keeps it: signet card unblock --from-ca. " +
	"If nobody has the PUK, only \"signet card reset\" remains."

// causes are the sentinels of the packages below, in the order they are looked for.
var causes = []struct {
	cause error
	code  int
	hint  string
}{
	{piv.ErrNoSupport, exit.NoCard, "Use a build of signet with cgo for everything at a card; \"signet crl\" works with this one."},
	{ceremony.ErrLastTry, exit.PINBlocked, hintPIN},
	{piv.ErrPINBlocked, exit.PINBlocked, hintPIN},
	{ceremony.ErrLastPUKTry, exit.PINBlocked, "Nothing was changed. After another wrong PUK only \"signet card reset\" remains, which destroys all keys in the card's PIV application."},
	{ceremony.ErrPUKUnknown, exit.Failed, "Nothing is on it yet: make it as new with \"signet card reset\", and run the command again."},
	{piv.ErrPUKBlocked, exit.PINBlocked, "Only \"signet card reset\" remains; it destroys all keys in the card's PIV application."},
	{piv.ErrNoService, exit.NoCard, "Install and start pcscd: apt install pcscd && systemctl enable --now pcscd.socket"},
	{piv.ErrNotAllowed, exit.NoCard, "Run it on the computer's own desktop or console, not over SSH; or have polkit allow you " +
		"org.debian.pcsc-lite.access_pcsc and org.debian.pcsc-lite.access_card."},
	{piv.ErrRemoved, exit.NoCard, "Put the card in and run the command again: it goes on where it was."},
	{piv.ErrOtherCard, exit.NoCard, "Nothing was done to it. Put the first card in again and run the command again: it goes on where it was."},
	{piv.ErrFull, exit.Failed, "\"signet card info\" shows what is on the card. Take away what nobody needs: ykman piv certificates delete SLOT. Then run the command again."},
	{piv.ErrNoCard, exit.NoCard, "Plug the YubiKey in; \"signet card list\" shows what is there."},
	{piv.ErrInUse, exit.CardInUse, "End that program, or have it let go: for scdaemon, gpgconf --kill scdaemon."},
	{piv.ErrRefused, exit.Usage, "Choose another one: some cards have rules of their own. No try was spent, and the old one stays."},
	{piv.ErrNotTouched, exit.Failed, "Run the command again and touch the card while it blinks."},
	{piv.ErrManagement, exit.Denied, "The management key is neither the factory's nor kept under the PIN. " +
		"Who knows it has the card keep it: ykman piv access change-management-key --generate --protect. " +
		"If nobody does, only \"signet card reset\" remains, which destroys all keys in the card's PIV application."},
	{ceremony.ErrNoCertificate, exit.NotFound, "Get a first one: signet enroll."},
	{ceremony.ErrOwnNeeded, exit.Usage, "Name the account: --user NAME, with --password-file in a script; a one-time code is for an enrollment alone."},
	{ceremony.ErrNoSignIn, exit.NotFound, "Get another one for it with a password or a code: signet enroll --profile NAME --force."},
	{ceremony.ErrNotRenewable, exit.NotFound, "Finish what was begun: signet enroll, with a password or a code; with --force where another program made the key."},
	{enroll.ErrUntrusted, exit.Denied, "If the CA was set up anew, forget the old one: signet ca forget URL."},
	{enroll.ErrFingerprint, exit.Denied, "Compare the URL and the fingerprint with what the administrator gave you, digit by digit."},
	{enroll.ErrUnreachable, exit.Unreachable, "Check the URL and the network, and run the command again: it goes on where it was."},
	{context.DeadlineExceeded, exit.Unreachable, "Run the command again: it goes on where it was."},
	{piv.ErrUnsupported, exit.Denied, "Ask the CA's administrator which cards the profile is meant for."},
}

func explainSentinel(err error) error {
	for _, c := range causes {
		if errors.Is(err, c.cause) {
			return exit.With(c.code, err, c.hint)
		}
	}
	return nil
}

// explainTyped is for errors that carry what the hint needs.
func explainTyped(err error) error {
	var (
		wrong    *piv.WrongPINError
		several  *piv.SeveralError
		occupied *ceremony.OccupiedError
		secret   *ceremony.SecretError
		pending  *ceremony.PendingError
		asked    *ceremony.PUKRefusedError
		untold   *ceremony.UnconfirmedError
		none     *ceremony.NoPUKError
		choice   *ceremony.AlgorithmError
		plan     *ceremony.PlanError
		file     *fs.PathError
	)
	switch {
	case errors.Is(err, ceremony.ErrLastTry):
		return nil
	case errors.As(err, &untold):
		return exit.With(exit.Failed, err, "Run the command again, to tell the CA: nothing else is left to be done.")
	case errors.As(err, &none):
		return exit.With(exit.Denied, err, "Have the CA's operator look at its escrow key (signetd config check), and run the command again once that is mended. "+
			"Should the key be lost for good, only \"signet card reset\" remains, which destroys all keys in the card's PIV application.")
	case errors.As(err, &asked):
		return exit.With(exit.Denied, err, "Ask the officer, or run the command again: it makes another request.")
	case errors.As(err, &wrong):
		return exit.With(exit.WrongPIN, err, hintWrong(wrong))
	case errors.As(err, &several):
		return exit.With(exit.Usage, err, "Pick one with --serial: "+serials(several.Cards)+".")
	case errors.As(err, &occupied):
		return exit.With(exit.Denied, err, hintOccupied(occupied))
	case errors.As(err, &choice):
		return exit.With(exit.Denied, err, "Name one of those with --algorithm, or leave it out.")
	case errors.As(err, &plan) && plan.Hint != "":
		return exit.With(exit.Denied, err, plan.Hint)
	case errors.As(err, &file):
		return exit.With(exit.Failed, err, hintFile(file))
	case errors.As(err, &pending):
		return exit.With(exit.Usage, err, "End that first: run the command without --profile and --algorithm.")
	case errors.As(err, &secret):
		if strings.HasPrefix(secret.What, "new ") {
			return exit.With(exit.Usage, err, "Choose another one.")
		}
		return exit.With(exit.Usage, err, "Check it; no try was spent on it.")
	}
	return nil
}

// hintWrong: the last try of a PIN is never spent, and a PUK's is said to be the last.
func hintWrong(wrong *piv.WrongPINError) string {
	switch {
	case wrong.What == "PUK" && wrong.Tries == 1:
		return "One try is left. After another wrong PUK only \"signet card reset\" remains, which destroys all keys in the card's PIV application."
	case wrong.Tries == 1:
		return "The last try is not spent here. " + hintPIN
	}
	if wrong.Tries == 0 {
		return fmt.Sprintf("Check the %s; no try is left.", wrong.What)
	}
	return fmt.Sprintf("Check the %s; %d tries are left.", wrong.What, wrong.Tries)
}

func hintOccupied(e *ceremony.OccupiedError) string {
	if len(e.Left) > 0 {
		return hintLeft(e.Left)
	}
	first, it, its := e.InUse[0], "It was", "it and its key"
	if len(e.InUse) > 1 {
		it, its = "All of it was", "all of it and the keys"
	}
	switch {
	case e.Main && first.Certificate != nil && len(e.Free) > 0:
		return it + " kept. To have only what is missing made, " + missingInWords(e.Free) + ", with the certificate that is there: signet enroll --missing. To replace " + its + ": --force."
	case first.Foreign && len(e.InUse) == 1:
		return it + " kept: it is none of this account's at this CA. To replace " + its + ": --force."
	case first.Certificate == nil:
		return it + " kept. To replace it: --force."
	case time.Now().After(first.Certificate.NotAfter):
		return it + " kept, although it has expired. To replace " + its + ": --force."
	}
	if len(e.InUse) > 1 {
		return it + " kept. To replace " + its + ": --force. To renew what is good for it: signet renew; to replace one key alone: signet renew --new-key --slot SLOT."
	}
	renew := "signet renew"
	if first.Slot != piv.SlotAuthentication {
		renew += " --slot " + first.Slot.String()
	}
	return it + " kept. To replace " + its + ": --force. To renew it: " + renew + "."
}

// hintLeft is for what a profile's set lacks, and can't be made as things are.
func hintLeft(all []ceremony.Missing) string {
	var words []string
	for _, m := range all {
		switch m.State {
		case ceremony.Revoked:
			words = append(words, "The certificate in slot "+m.Slot.String()+" was revoked. For another key and certificate there, and nothing else: "+m.Remedy()+".")
		case ceremony.OldKey:
			words = append(words, "Slot "+m.Slot.String()+" holds an old key, which reads what was encrypted to it, and which can't be moved: "+
				"the card is too old for it, or no retired slot is free. Where nothing is to be read with it any more: signet enroll --missing --force.")
		default:
			words = append(words, "To replace what is in slot "+m.Slot.String()+", and nothing of what the card has from this CA: "+m.Remedy()+".")
		}
	}
	return strings.Join(words, " ")
}

func missingInWords(all []ceremony.Missing) string {
	var words []string
	for _, m := range all {
		words = append(words, m.String())
	}
	return strings.Join(words, " and ")
}

// hintFile is for the files that signet keeps, and those it is given.
func hintFile(file *fs.PathError) string {
	switch {
	case errors.Is(file, syscall.ENOSPC):
		return "Make room on that disk, and run the command again: it goes on where it was."
	case related(file.Path, configDir()):
		return "Make that folder one that you can read and write, or name another in XDG_CONFIG_HOME."
	case related(file.Path, stateDir()):
		return "Make that folder one that you can read and write, or name another in XDG_STATE_HOME."
	}
	return "Check the file's name, and whether you may use it."
}

// related: a path in dir, or one that dir is in and that is missing.
func related(path, dir string) bool {
	return strings.HasPrefix(path, dir) || strings.HasPrefix(dir, path)
}

func serials(cards []piv.Info) string {
	var all []string
	for _, c := range cards {
		if c.HeldBy == "" {
			all = append(all, fmt.Sprint(c.Serial))
		}
	}
	return strings.Join(all, ", ")
}

// explainProblem goes by the HTTP status of what the server refused.
func explainProblem(err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return nil
	}
	code := exit.Failed
	switch {
	case p.Status == http.StatusNotFound:
		code = exit.NotFound
	case p.Status == http.StatusBadGateway, p.Status == http.StatusServiceUnavailable, p.Status == http.StatusGatewayTimeout:
		code = exit.Unreachable
	case p.Status >= 400 && p.Status < 500:
		code = exit.Denied
	}
	hint := p.Hint
	if hint == "" && p.Status == http.StatusUnauthorized {
		hint = "Check them, and the CA's URL. A code is good once, and for a limited time."
	}
	return exit.With(code, err, hint)
}
