package main

import (
	"crypto/tls"
	"errors"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/piv"
)

func enrollCommand() *cli.Command {
	return &cli.Command{
		Name:  "enroll",
		Usage: "make a key in a YubiKey and get a certificate for it",
		Description: "A card with the factory's PIN, PUK and management key gets others first. A run that was\n" +
			"ended goes on where it was. What the slot holds is kept, unless --force is given and the\n" +
			"card's serial number typed (--yes does without the typing, for scripts). Certificates of keys that\n" +
			"are replaced so, or were on the card before a reset, are revoked as superseded.\n" +
			"A profile may have companions: then keys in several slots are made, and certified all at once\n" +
			"or not at all. --missing makes those that a profile has come to have since; the certificate in\n" +
			"force is what the CA knows you by.",
		Flags: flags(command.JSON(), caFlags(), userFlags(), codeFlags(), profileFlag(), serialFlag(), pinFlags(),
			&cli.StringFlag{Name: "algorithm", Usage: "the key's `ALGORITHM`, one that the profile allows: P-256, P-384, RSA-2048, …; of several keys the first one's"},
			&cli.BoolFlag{Name: "missing", Usage: "make only the keys that the profile has and the card lacks"},
			&cli.BoolFlag{Name: "force", Usage: "replace what the slot holds, after a confirmation"},
			&cli.BoolFlag{Name: "yes", Usage: "with --force: don't ask, replace"},
			&cli.BoolFlag{Name: "keep-old", Usage: "don't have certificates revoked as superseded whose keys are replaced, or were on the card before a reset"}, dryRunFlag()),
		Action: runEnroll,
	}
}

func runEnroll(c *cli.Context) error {
	if c.Bool("yes") && !c.Bool("force") {
		return command.Usage(c, "--yes is of no use without --force")
	}
	if _, err := command.Args(c); err != nil {
		return err
	}
	// The card first: without one there is nothing to ask a password for.
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
	cfg.Algorithm = piv.Algorithm(c.String("algorithm"))
	cfg.NewPUK = newPUKSecret.isGiven(c) || term.IsTerminal(int(os.Stdin.Fd()))
	cfg.Force, cfg.KeepOld = c.Bool("force"), c.Bool("keep-old")
	if c.Bool("missing") && !c.Bool("dry-run") {
		result, err := ceremony.Complete(c.Context, cfg)
		if errors.Is(err, ceremony.ErrComplete) {
			return nothingMissing(c, card, err)
		}
		if err != nil {
			return err
		}
		return ca.reportEnrolled(c, result, false)
	}
	creds, err := ca.credentials(c)
	if err != nil {
		return err
	}
	client := ca.client(creds, nil)
	if cfg.Account = client; creds.Password != "" {
		cfg.Own = client
	}
	if c.Bool("dry-run") {
		preview := ceremony.PreviewEnroll
		if c.Bool("missing") {
			preview = ceremony.PreviewComplete
		}
		p, err := preview(c.Context, cfg)
		if errors.Is(err, ceremony.ErrComplete) {
			return nothingMissing(c, card, err)
		}
		return reportPreview(c, p, err)
	}
	result, err := ceremony.Enroll(c.Context, cfg)
	if err != nil {
		return err
	}
	ca.remember(c)
	return ca.reportEnrolled(c, result, false)
}

func nothingMissing(c *cli.Context, card piv.Card, why error) error {
	return report(c, map[string]any{"card": card.Info(), "with": []installed{}}, func() { printf(c, "Nothing to do: %v.\n", why) })
}

// ceremony is what enroll and renew have in common.
func (n *connection) ceremony(c *cli.Context, card piv.Card) ceremony.Config {
	return ceremony.Config{
		Card:    card,
		UI:      &terminal{c: c},
		Journal: ceremony.Journal{Dir: stateDir()},
		CA:      n.URL,
		Root:    n.Root,
		Profile: c.String("profile"),
		Holder: func(cert tls.Certificate) ceremony.Renewer {
			return n.client(enroll.Credentials{}, &cert)
		},
		Code: func(code string) ceremony.Authority {
			return n.client(enroll.Credentials{Code: code}, nil)
		},
	}
}
