package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/enroll"
	"signet/internal/exit"
)

func pukRelease() *cli.Command {
	return &cli.Command{
		Name: "release", Usage: "in an emergency: open a card's PUK here and show it at the terminal", ArgsUsage: "SERIAL",
		Description: "For when the user can't reach the server. It is logged. The PUK stays the card's: have it replaced\n" +
			"by \"signet card unblock --from-ca\" as soon as that works. The PUK is opened in this process alone,\n" +
			"with the passphrase, whether or not a server runs.",
		Flags: append(placeFlags(), passwordFileFlag(),
			&cli.StringFlag{Name: "reason", Usage: "`WHY`, for the log"},
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
	if err := operate(c, "puk.take", pukCard{card, c.String("reason")}, &all); err != nil {
		return err
	}
	for _, kept := range all {
		if err := showPUKs(c, key, kept); err != nil {
			return err
		}
	}
	return nil
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
		return nil, exit.With(exit.Denied, err, "It is the passphrase that was given to \"signetd init\".")
	}
	return key, nil
}

// showPUKs prints the PUKs alone on stdout, one a line, and what they are on stderr.
func showPUKs(c *cli.Context, key *enroll.EscrowKey, kept enroll.Escrowed) error {
	candidates := kept.Candidates()
	if len(candidates) > 1 {
		fmt.Fprintf(c.App.ErrWriter, "Card %d, for %s: it has one of these PUKs, the first most likely. Each wrong one costs a try.\n", kept.Card, kept.Account)
	} else {
		fmt.Fprintf(c.App.ErrWriter, "Card %d, for %s:\n", kept.Card, kept.Account)
	}
	opened, failed := 0, error(nil)
	for _, k := range candidates {
		puk, err := key.Open(kept.Card, k.Sealed)
		if err != nil {
			failed = exit.With(exit.Failed, err, "Restore the escrow key that it was sealed to: "+k.Sealed.KeyID()+".")
			continue
		}
		opened++
		fmt.Fprintln(c.App.Writer, puk)
	}
	if opened > 0 {
		return nil
	}
	return failed
}
