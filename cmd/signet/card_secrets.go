package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"signet/enroll/ceremony"
	"signet/internal/command"
)

func cardChangePINCommand() *cli.Command {
	return &cli.Command{
		Name: "change-pin", Usage: "set another PIN by the PIN in force, whose last try is never spent",
		Flags: flags(command.JSON(), serialFlag(),
			&cli.StringFlag{Name: "pin-file", Usage: "read the PIN in force from `FILE`"},
			&cli.StringFlag{Name: "new-pin-file", Usage: "read the new PIN from `FILE`"}),
		Action: runCardChangePIN,
	}
}

func runCardChangePIN(c *cli.Context) error {
	card, err := openCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	if err := ceremony.ChangePIN(c.Context, card, &terminal{c: c, changing: true}); err != nil {
		return err
	}
	return report(c, card.Info(), func() { printf(c, "Card %d has a new PIN.\n", card.Info().Serial) })
}

func cardChangePUKCommand() *cli.Command {
	return &cli.Command{
		Name: "change-puk", Usage: "set another PUK by the PUK in force, whose last try is not spent where the card tells of it",
		Flags: flags(command.JSON(), serialFlag(),
			&cli.StringFlag{Name: "puk-file", Usage: "read the PUK in force from `FILE`"},
			&cli.StringFlag{Name: "new-puk-file", Usage: "read the new PUK from `FILE`"}),
		Action: runCardChangePUK,
	}
}

func runCardChangePUK(c *cli.Context) error {
	card, err := openCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	left, known, err := ceremony.PUKTries(c.Context, card)
	if err != nil {
		return err
	}
	if known {
		fmt.Fprintf(c.App.ErrWriter, "    PUK tries left: %d\n", left)
	}
	old, err := pukSecret.read(c)
	if err != nil {
		return err
	}
	if err := ceremony.CheckLength("PUK", old); err != nil {
		return err
	}
	puk, err := otherPUKSecret.read(c)
	if err != nil {
		return err
	}
	if err := ceremony.CheckPUK(puk, ""); err != nil {
		return err
	}
	if err := card.ChangePUK(c.Context, old, puk); err != nil {
		return err
	}
	return report(c, card.Info(), func() { printf(c, "Card %d has a new PUK.\n", card.Info().Serial) })
}
