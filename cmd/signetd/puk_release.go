package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/ca"
	"signet/enroll"
	"signet/internal/exit"
	"signet/internal/problem"
)

func pukRelease() *cli.Command {
	return &cli.Command{
		Name: "release", Usage: "in an emergency: open a card's PUK here and show it at the terminal", ArgsUsage: "SERIAL",
		Description: "For when the user can't reach the server. It is logged. The PUK stays the card's: have it replaced\n" +
			"by \"signet card unblock --from-ca\" as soon as that works. The PUK is opened in this process alone,\n" +
			"with the passphrase, whether or not a server runs.",
		Flags: append(placeFlags(), passwordFileFlag(),
			&cli.StringFlag{Name: "reason", Usage: "`WHY`, for the log"},
			&cli.BoolFlag{Name: "despite-state", Usage: "also of a card that is lost, retired or another account's"},
			&cli.BoolFlag{Name: "force-stdout", Usage: "write the PUK to stdout even if that is no terminal"}),
		Action: releasePUK,
	}
}

func releasePUK(c *cli.Context) error {
	card, err := cardArg(c)
	if err != nil {
		return err
	}
	if !term.IsTerminal(int(os.Stdout.Fd())) && !c.Bool("force-stdout") {
		return exit.With(exit.Usage, errors.New("stdout is no terminal: a PUK is not for files and pipes"), "If it must be: --force-stdout.")
	}
	key, err := escrowKeyOf(c)
	if err != nil {
		return err
	}
	var all []enroll.Escrowed
	in := pukTaking{Card: card, Reason: c.String("reason"), Key: key.Public().ID(), DespiteState: c.Bool("despite-state")}
	if err := operate(c, "puk.take", in, &all); err != nil {
		return hintOfTaking(err)
	}
	for _, kept := range all {
		showPUKs(c, key, kept)
	}
	return nil
}

// hintOfTaking says what the person at this terminal can do next, who needs no client's hint.
func hintOfTaking(err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	switch {
	case !ok:
		return err
	case p.Rule == "escrow.unavailable":
		return exit.With(exit.Failed, err, "Restore the escrow key that it was sealed to. Nothing was given out.")
	case p.Status == http.StatusConflict:
		return exit.With(exit.Denied, err, "If the card is at hand and it must be: --despite-state, which is logged. Nothing was given out.")
	}
	return err
}

// escrowKeyOf opens the CA's escrow key for this command.
func escrowKeyOf(c *cli.Context) (*enroll.EscrowKey, error) {
	conf, err := config(c)
	if err != nil {
		return nil, err
	}
	if !exists(conf.path(escrowKey)) {
		return nil, exit.With(exit.NotFound, fmt.Errorf("there is no escrow key in %s", conf.DataDir), "Restore "+escrowKey+" from a backup.")
	}
	passphrase, err := secretSource{What: "passphrase of the CA's keys", File: conf.passwordFile()}.read()
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	key, err := openEscrow(conf, passphrase)
	if err != nil {
		if errors.Is(err, ca.ErrPassphrase) {
			return nil, exit.With(exit.Denied, err, "It is the passphrase that was given to \"signetd init\".")
		}
		return nil, exit.With(exit.Failed, err, "Restore "+escrowKey+" from a backup.")
	}
	return key, nil
}

// showPUKs prints the PUKs alone on stdout, one a line, and what each is on stderr before it.
func showPUKs(c *cli.Context, key *enroll.EscrowKey, kept enroll.Escrowed) {
	w := c.App.ErrWriter
	fmt.Fprintf(w, "Card %d, for %s:\n", kept.Card, kept.Account)
	if kept.Current != nil {
		showPUK(c, key, kept.Card, *kept.Current, "its PUK, kept since")
	} else {
		fmt.Fprintln(w, "No PUK was ever confirmed: it may well have none of these.")
	}
	if n := len(kept.Pending); n > 0 {
		fmt.Fprintln(w, "A client was cut off while it changed the PUK. Each wrong one costs a try.")
	}
	for _, k := range slices.Backward(kept.Pending) {
		showPUK(c, key, kept.Card, k, "never confirmed, of")
	}
}

func showPUK(c *cli.Context, key *enroll.EscrowKey, card uint32, k enroll.Kept, what string) {
	puk, err := key.Open(card, k.Sealed)
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "  %s %s: %v (key %s)\n", what, k.At.UTC().Format(timeFormat), err, k.Sealed.KeyID())
		return
	}
	fmt.Fprintf(c.App.ErrWriter, "  %s %s:\n", what, k.At.UTC().Format(timeFormat))
	fmt.Fprintln(c.App.Writer, puk)
}
