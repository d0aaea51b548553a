package main

import (
	"github.com/urfave/cli/v2"

	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/piv"
)

func renewCommand() *cli.Command {
	return &cli.Command{
		Name:  "renew",
		Usage: "get a new certificate in place of the one on the card",
		Description: "The certificate in force is what the CA knows you by: no password, no code. The key stays,\n" +
			"unless --new-key is given: then the old one is destroyed.",
		Flags: flags(command.JSON(), caFlags(), profileFlag(), serialFlag(), slotFlag(), pinFlags(),
			&cli.BoolFlag{Name: "new-key", Usage: "make a new key in the card, and destroy the old one"},
			&cli.StringFlag{Name: "algorithm", Usage: "with --new-key: its `ALGORITHM`"}),
		Action: runRenew,
	}
}

func runRenew(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	if c.String("algorithm") != "" && !c.Bool("new-key") {
		return command.Usage(c, "--algorithm is of no use without --new-key: the key stays as it is")
	}
	slot, err := piv.ParseSlot(c.String("slot"))
	if err != nil {
		return command.Usage(c, "%w", err)
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
	cfg.Algorithm = piv.Algorithm(c.String("algorithm"))
	result, err := ceremony.Renew(c.Context, cfg, c.Bool("new-key"))
	if err != nil {
		return err
	}
	return reportEnrolled(c, result)
}
