package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/internal/command"
)

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and do nothing"}
}

func cardSetupCommand() *cli.Command {
	return &cli.Command{
		Name:  "setup",
		Usage: "make a card one's own: PIN, PUK and management key in place of the factory's, CHUID and CCC",
		Description: "\"signet enroll\" does this too. A run that was ended goes on where it was, and one at a card\n" +
			"that is set up changes nothing.",
		Flags: flags(command.JSON(), serialFlag(), pinFlags(), dryRunFlag(),
			&cli.IntFlag{Name: "pin-tries", DefaultText: "as many as the card has", Usage: "let a wrong PIN be given `N` times, on a card as it left the factory: 3 to 15"},
			&cli.IntFlag{Name: "puk-tries", DefaultText: "likewise", Usage: "let a wrong PUK be given `N` times, likewise"}),
		Action: runCardSetup,
	}
}

func runCardSetup(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	tries := ceremony.Tries{PIN: c.Int("pin-tries"), PUK: c.Int("puk-tries")}
	if err := errors.Join(enroll.CheckTries(tries.PIN), enroll.CheckTries(tries.PUK)); err != nil {
		return command.Usage(c, "%w", err)
	}
	card, err := openCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	cfg := ceremony.Config{Card: card, UI: &terminal{c: c}, Journal: ceremony.Journal{Dir: stateDir()}, Tries: tries}
	if c.Bool("dry-run") {
		p, err := ceremony.PreviewSetUp(c.Context, cfg)
		return reportPreview(c, p, err)
	}
	done, err := ceremony.SetUp(c.Context, cfg)
	if err != nil {
		return err
	}
	return report(c, done, func() {
		printf(c, "Card %d is set up: its management key (%s) is protected by the PIN.\n", done.Card.Serial, done.Management.Algorithm)
		printIdentifiers(c, done.Identifiers)
	})
}

func reportPreview(c *cli.Context, p *ceremony.Preview, err error) error {
	if err != nil {
		return err
	}
	err = report(c, p, func() {
		if p.Wants != "" {
			printf(c, "The CA wants: %s.\n", p.Wants)
		}
		for _, w := range p.With {
			printf(c, "And with it, for profile %s: %s.\n", w.Profile, w.Wants)
		}
		if p.Stops != "" {
			printf(c, "It would stop: %s.\n", p.Stops)
		}
		printf(c, "What would be done to card %d; nothing was:\n", p.Card.Serial)
		for i, step := range p.Steps {
			printf(c, "%2d. %s\n", i+1, step)
		}
	})
	if err != nil {
		return err
	}
	return p.Stopped()
}
