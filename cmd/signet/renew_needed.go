package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/piv"
)

// renewIfNeeded is for a timer, or a person who need not know. It looks without a
// PIN, and asks nobody where the certificate has time.
func renewIfNeeded(c *cli.Context, slot piv.Slot) error {
	before, err := renewBefore(c)
	if err != nil {
		return err
	}
	card, err := openCard(c)
	if errors.Is(err, piv.ErrInUse) || errors.Is(err, piv.ErrNoCard) || errors.Is(err, piv.ErrNoService) ||
		errors.Is(err, piv.ErrNotAllowed) || errors.Is(err, piv.ErrRemoved) {
		return withoutCard(c, slot, before, err)
	}
	if err != nil {
		return err
	}
	defer card.Close()
	ca, err := connect(c)
	if err != nil {
		return err
	}
	n, err := ca.needOf(c, card, slot, before)
	pending := (ceremony.Journal{Dir: stateDir()}).Pending(ca.URL, card.Info().Serial, slot)
	if err != nil && !(pending && errors.Is(err, ceremony.ErrNoCertificate)) {
		return err
	}
	if !pending && time.Now().Before(n.RenewFrom) {
		return n.report(c)
	}
	return n.due(c, ca.renewDue(c, card, slot))
}

// renewBefore is how long before its end a certificate is renewed; 0 for a third of its life.
func renewBefore(c *cli.Context) (time.Duration, error) {
	text := c.String("before")
	if text == "" {
		return 0, nil
	}
	d, err := command.Duration(text)
	if err != nil {
		return 0, command.Usage(c, "--before: %w", err)
	}
	return d, nil
}

// renewDue renews with the key that is there. That wants the PIN, whatever the key's own
// policy: the card keeps under it what writing a certificate takes.
func (n *connection) renewDue(c *cli.Context, card piv.Card, slot piv.Slot) error {
	if !pinSecret.isGiven(c) && (c.Bool("remind") || !term.IsTerminal(int(os.Stdin.Fd()))) {
		return exit.With(exit.PINWanted, errors.New("the card's PIN is wanted to renew the certificate"),
			"Run at a terminal: signet renew. Or give it: --pin-file FILE.")
	}
	cfg := n.ceremony(c, card)
	cfg.Slot = slot
	result, err := ceremony.Renew(c.Context, cfg, false)
	if err != nil {
		return explain(err)
	}
	return errors.Join(n.reportRenewed(c, result), n.sawAlone(card, slot, result))
}

// due is what came of a renewal that was due: err, told on the desktop where wanted.
func (n need) due(c *cli.Context, err error) error {
	if err == nil || n.NotAfter.IsZero() {
		return err
	}
	err = exit.With(exit.CodeOf(err), fmt.Errorf("the certificate in slot %s of card %d is to be renewed (%s): %w",
		n.Slot, n.Card, left(n.NotAfter, time.Now()), err), exit.HintOf(err))
	if c.Bool("remind") {
		remind(c, n.NotAfter, err)
	}
	return err
}
