package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/piv"
	"signet/piv/yubikey"
)

func cardUnblockCommand() *cli.Command {
	return &cli.Command{
		Name: "unblock", Usage: "set a new PIN by the PUK, when the PIN is blocked or forgotten",
		Description: "With --from-ca, for a card whose PUK the CA keeps: an officer has to approve, and the command waits\n" +
			"for that. Ended and run again, it goes on. The PUK that is released is replaced by another one.",
		Flags: flags(command.JSON(), serialFlag(),
			&cli.StringFlag{Name: "pin-file", Aliases: []string{"new-pin-file"}, Usage: "read the new PIN from `FILE`"},
			&cli.StringFlag{Name: "puk-file", Usage: "read the PUK from `FILE`"},
			&cli.BoolFlag{Name: "from-ca", Usage: "have the CA release the PUK"},
			&cli.StringFlag{Name: "reason", Usage: "tell the officer `WHY`"},
			caFlags(), userFlags(), codeFlags()),
		Action: runCardUnblock,
	}
}

func runCardUnblock(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	if c.Bool("from-ca") && pukSecret.isGiven(c) {
		return command.Usage(c, "--from-ca is for who has no PUK, and one is given")
	}
	serial, done, err := unblockHere(c)
	if err != nil || done {
		return err
	}
	return unblockFromCA(c, serial)
}

// unblockHere does it by a PUK that the person has; done is false where there is none.
func unblockHere(c *cli.Context) (serial uint32, done bool, err error) {
	card, err := openCard(c)
	if err != nil {
		return 0, false, err
	}
	defer card.Close()
	serial = card.Info().Serial
	left, known, err := card.PUKTries(c.Context)
	if err != nil {
		return serial, false, err
	}
	if known && left == 0 {
		return serial, false, piv.ErrPUKBlocked
	}
	if known {
		fmt.Fprintf(c.App.ErrWriter, "    PUK tries left: %d\n", left)
	}
	if c.Bool("from-ca") {
		return serial, false, nil
	}
	puk, err := askPUK(c)
	if err != nil || puk == "" {
		return serial, false, err
	}
	return serial, true, unblockByPUK(c, card, puk)
}

// askPUK is the PUK; "" where the person has none, and the CA is to be asked.
func askPUK(c *cli.Context) (string, error) {
	s := pukSecret
	if term.IsTerminal(int(os.Stdin.Fd())) {
		s.what += " (leave it empty to have the CA release it)"
	}
	puk, err := s.read(c)
	if err != nil || puk == "" {
		return "", err
	}
	// Before the PUK is presented: what the card refuses anyway must not cost a try.
	return puk, ceremony.CheckLength("PUK", puk)
}

func unblockByPUK(c *cli.Context, card piv.Card, puk string) error {
	pin, err := newPINSecret.read(c)
	if err != nil {
		return err
	}
	if err := ceremony.CheckPIN(pin); err != nil {
		return err
	}
	if pin == puk {
		return command.Usage(c, "the new PIN must not be the PUK")
	}
	if err := card.UnblockPIN(c.Context, puk, pin); err != nil {
		return err
	}
	return reportUnblocked(c, card.Info())
}

func reportUnblocked(c *cli.Context, info piv.Info) error {
	return report(c, info, func() { printf(c, "Card %d has a new PIN.\n", info.Serial) })
}

// unblockFromCA waits for an officer without holding the card.
func unblockFromCA(c *cli.Context, serial uint32) error {
	ca, err := connect(c)
	if err != nil {
		return err
	}
	creds, err := ca.credentials(c)
	if err != nil {
		return err
	}
	client := ca.client(creds, nil)
	cfg := ceremony.Config{UI: &terminal{c: c}, Journal: ceremony.Journal{Dir: stateDir()}, CA: ca.URL}
	done, err := unsettled(c, cfg, client, serial)
	if err != nil || done {
		return err
	}
	asked, err := ceremony.AwaitPUK(c.Context, client, serial, c.String("reason"), func(a *enroll.Asked) { tellRequest(c, a) })
	if err != nil {
		return err
	}
	ca.remember(c)
	fmt.Fprintf(c.App.ErrWriter, "request %d is approved\n", asked.Number)
	if cfg.Card, err = yubikey.Open(c.Context, serial); err != nil {
		return err
	}
	defer cfg.Card.Close()
	if err := ceremony.Unblock(c.Context, cfg, client, asked); err != nil {
		return err
	}
	return reportUnblocked(c, cfg.Card.Info())
}

// unsettled tells the CA what an earlier run could not; done reports that this was all that
// was left.
func unsettled(c *cli.Context, cfg ceremony.Config, client ceremony.Releaser, serial uint32) (done bool, err error) {
	if cfg.Card, err = yubikey.Open(c.Context, serial); err != nil {
		return false, err
	}
	defer cfg.Card.Close()
	if done, err = ceremony.Unsettled(c.Context, cfg, client); err != nil || !done {
		return false, err
	}
	return true, reportUnblocked(c, cfg.Card.Info())
}

// tellRequest says what the officer has to be told.
func tellRequest(c *cli.Context, a *enroll.Asked) {
	w := c.App.ErrWriter
	if a.State == enroll.PUKOpen {
		fmt.Fprintf(w, "\nCall an officer of the CA, and tell them who you are and:\n\n  request number  %d\n  card            %d\n\n"+
			"Waiting for them, until %s. Ctrl-C ends the waiting; run the command again to go on.\n",
			a.Number, a.Card, a.Expires.Local().Format("2006-01-02 15:04"))
	}
}
