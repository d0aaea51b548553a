package main

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/internal/dn"
	"signet/piv"
)

func enrollCommand() *cli.Command {
	return &cli.Command{
		Name:  "enroll",
		Usage: "make a key in a YubiKey and get a certificate for it",
		Description: "A card with the factory's PIN, PUK and management key gets others first. A run that was\n" +
			"ended goes on where it was. What the slot holds is kept, unless --force is given and the\n" +
			"card's serial number typed (--yes does without the typing, for scripts).",
		Flags: flags(command.JSON(), caFlags(), userFlags(), codeFlags(), profileFlag(), serialFlag(), pinFlags(),
			&cli.StringFlag{Name: "algorithm", Usage: "the key's `ALGORITHM`, one that the profile allows: P-256, P-384, RSA-2048, …"},
			&cli.BoolFlag{Name: "force", Usage: "replace what the slot holds, after a confirmation"},
			&cli.BoolFlag{Name: "yes", Usage: "with --force: don't ask, replace"}, dryRunFlag()),
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
	creds, err := ca.credentials(c)
	if err != nil {
		return err
	}
	cfg := ca.ceremony(c, card)
	cfg.Account = ca.client(creds, nil)
	cfg.Algorithm = piv.Algorithm(c.String("algorithm"))
	cfg.Force = c.Bool("force")
	if c.Bool("dry-run") {
		p, err := ceremony.PreviewEnroll(c.Context, cfg)
		return reportPreview(c, p, err)
	}
	result, err := ceremony.Enroll(c.Context, cfg)
	if err != nil {
		return err
	}
	ca.remember(c)
	return ca.reportEnrolled(c, result, false)
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

// An enrolled is the outcome of enroll and renew in JSON.
type enrolled struct {
	Card        piv.Info    `json:"card"`
	Slot        string      `json:"slot"`
	Profile     string      `json:"profile"`
	Subject     string      `json:"subject"`
	Serial      string      `json:"serial"`
	NotBefore   time.Time   `json:"not_before"`
	NotAfter    time.Time   `json:"not_after"`
	Certificate string      `json:"certificate"` // PEM
	Chain       []string    `json:"chain"`       // PEM
	Resumed     bool        `json:"resumed"`
	Secured     bool        `json:"secured"`
	Superseded  []ca.Serial `json:"superseded,omitempty"` // of the key that was replaced, revoked
	Renewed     bool        `json:"renewed,omitempty"`
}

func (n *connection) reportRenewed(c *cli.Context, r *ceremony.Result) error {
	return n.reportEnrolled(c, r, true)
}

func (n *connection) reportEnrolled(c *cli.Context, r *ceremony.Result, renewed bool) error {
	cert := r.Certificate
	// What was done is done: it isn't spoiled by a disk that is full.
	if err := see(sighting{Card: r.Card.Serial, Slot: r.Slot.String(), CA: n.URL, Serial: r.Issued.Serial.String(),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}); err != nil {
		fmt.Fprintf(c.App.ErrWriter, "signet: warning: %v\n", err)
	}
	out := enrolled{Card: r.Card, Slot: r.Slot.String(), Profile: r.Profile, Subject: dn.String(cert.RawSubject),
		Serial: r.Issued.Serial.String(), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
		Certificate: r.Issued.Certificate, Chain: r.Issued.Chain, Resumed: r.Resumed, Secured: r.Secured, Renewed: renewed, Superseded: r.Superseded}
	return report(c, out, func() {
		fmt.Fprintf(c.App.Writer, "Certificate in slot %s of card %d:\n", out.Slot, r.Card.Serial)
		describe(c.App.Writer, cert)
	})
}
