package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/piv"
)

func renewCommand() *cli.Command {
	return &cli.Command{
		Name:  "renew",
		Usage: "get a new certificate in place of the one on the card",
		Description: "The certificate in force is what the CA knows you by: no password, no code. The key stays,\n" +
			"and so do those of the profile's companions, whose certificates are renewed with it. With\n" +
			"--new-key, one slot gets a new key, and the old one is destroyed; one that messages are encrypted\n" +
			"to is moved to a retired slot, or destroyed after a confirmation where the card can't move it.\n" +
			"With --if-needed nothing is done while the certificate has time, and no PIN is asked for: for a timer.\n" +
			fmt.Sprintf("It then exits with %d; with %d where there is no card, %d where a PIN is wanted and there is\n", exit.OK, exit.NoCard, exit.PINWanted) +
			fmt.Sprintf("no terminal, %d where the CA refuses, %d where it can't be reached.", exit.Denied, exit.Unreachable),
		Flags: flags(command.JSON(), caFlags(), profileFlag(), serialFlag(), slotFlag(), pinFlags(),
			&cli.BoolFlag{Name: "if-needed", Usage: "renew only a certificate that runs out soon"},
			&cli.StringFlag{Name: "before", Usage: "with --if-needed: `HOW LONG` before its end, such as 30d; a third of its lifetime where it is left out"},
			&cli.BoolFlag{Name: "remind", Usage: "with --if-needed: never ask for the PIN; where a renewal is due and can't be made, say so on the desktop"},
			&cli.BoolFlag{Name: "new-key", Usage: "make a new key in the card, and destroy the old one: once the new one is certified, where the card can move keys"},
			&cli.BoolFlag{Name: "yes", Usage: "with --new-key: don't ask before a key that messages are encrypted to is destroyed"},
			&cli.BoolFlag{Name: "keep-old", Usage: "with --new-key: don't have the old certificate revoked as superseded"},
			&cli.StringFlag{Name: "algorithm", Usage: "with --new-key: its `ALGORITHM`"}),
		Action: runRenew,
	}
}

func runRenew(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	if !c.Bool("if-needed") && (c.Bool("remind") || c.String("before") != "") {
		return command.Usage(c, "--before and --remind are of no use without --if-needed")
	}
	if c.Bool("if-needed") && c.Bool("new-key") {
		return command.Usage(c, "--if-needed renews with the same key: leave --new-key out")
	}
	if c.Bool("yes") && !c.Bool("new-key") {
		return command.Usage(c, "--yes is of no use without --new-key")
	}
	if c.String("algorithm") != "" && !c.Bool("new-key") {
		return command.Usage(c, "--algorithm is of no use without --new-key: the key stays as it is")
	}
	slot, err := piv.ParseSlot(c.String("slot"))
	if err != nil {
		return command.Usage(c, "%w", err)
	}
	if c.Bool("if-needed") {
		return renewIfNeeded(c, slot)
	}
	card, err := openCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	ca, err := connect(c)
	if err != nil {
		return err
	}
	cfg := ca.ceremony(c, card)
	cfg.Slot = slot
	cfg.KeepOld = c.Bool("keep-old")
	cfg.Algorithm = piv.Algorithm(c.String("algorithm"))
	result, err := ceremony.Renew(c.Context, cfg, c.Bool("new-key"))
	if err != nil {
		return err
	}
	return ca.reportRenewed(c, result)
}
