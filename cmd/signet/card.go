package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/piv"
	"signet/piv/yubikey"
)

func cardCommand() *cli.Command {
	return command.Group("card", "look at cards, set them up, change their PIN and PUK, unblock and reset them",
		cardListCommand(), cardInfoCommand(), cardSetupCommand(), cardChangePINCommand(), cardChangePUKCommand(),
		cardUnblockCommand(), cardResetCommand())
}

func cardListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the YubiKeys that are plugged in",
		Flags:  flags(command.JSON()),
		Action: runCardList,
	}
}

func runCardList(c *cli.Context) error {
	cards, err := yubikey.List(c.Context)
	if err != nil {
		return err
	}
	if len(cards) == 0 && !c.Bool("json") {
		return piv.ErrNoCard
	}
	return report(c, cards, func() {
		for _, i := range cards {
			printf(c, "%s\n", cardLine(i))
		}
	})
}

func cardResetCommand() *cli.Command {
	return &cli.Command{
		Name: "reset", Usage: "make a card's PIV application as new: every key and certificate in it is destroyed",
		Flags: flags(command.JSON(), serialFlag(),
			&cli.BoolFlag{Name: "yes", Usage: "don't ask; wants --serial"}),
		Action: runCardReset,
	}
}

func runCardReset(c *cli.Context) error {
	if c.Bool("yes") && c.Uint("serial") == 0 {
		return command.Usage(c, "--yes wants the card named: --serial NUMBER")
	}
	card, err := openCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	serial := card.Info().Serial
	if !c.Bool("yes") {
		warning := "Every key and certificate in the card's PIV application will be destroyed, for good. FIDO and OpenPGP stay."
		if err := confirmSerial(c, warning, serial, fmt.Sprintf("In a script, give --yes --serial %d.", serial)); err != nil {
			return err
		}
	}
	if err := card.Reset(c.Context); err != nil {
		return err
	}
	if err := (ceremony.Journal{Dir: stateDir()}).Forget(serial); err != nil {
		return err
	}
	if err := forgetSeen(serial); err != nil {
		return err
	}
	return report(c, card.Info(), func() { printf(c, "Card %d is as new.\n", serial) })
}
