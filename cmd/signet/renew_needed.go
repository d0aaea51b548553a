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

// A need is a certificate and when it is to be renewed.
type need struct {
	Renewed   bool      `json:"renewed"`
	Card      uint32    `json:"card"`
	Slot      string    `json:"slot"`
	Serial    string    `json:"serial"`
	NotAfter  time.Time `json:"not_after"`
	RenewFrom time.Time `json:"renew_from"`
	// Seen: the card is not plugged in, or another program holds it, and this is what was on it last.
	Seen bool `json:"card_absent,omitempty"`
}

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

func (s sighting) need(before time.Duration) need {
	if before == 0 {
		before = s.NotAfter.Sub(s.NotBefore) / 3
	}
	return need{Card: s.Card, Slot: s.Slot, Serial: s.Serial, NotAfter: s.NotAfter, RenewFrom: s.NotAfter.Add(-before)}
}

// needOf looks at the slot, and remembers what it saw.
func (n *connection) needOf(c *cli.Context, card piv.Card, slot piv.Slot, before time.Duration) (need, error) {
	cert, err := card.Certificate(c.Context, slot)
	if errors.Is(err, piv.ErrEmpty) {
		return need{}, fmt.Errorf("slot %s of card %d: %w", slot, card.Info().Serial, ceremony.ErrNoCertificate)
	}
	if err != nil {
		return need{}, err
	}
	s := sighting{Card: card.Info().Serial, Slot: slot.String(), CA: n.URL, Serial: serialOf(cert),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
	if err := see(s); err != nil {
		fmt.Fprintf(c.App.ErrWriter, "signet: warning: %v\n", err)
	}
	return s.need(before), nil
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
	return n.reportRenewed(c, result)
}

// withoutCard goes by what was on the card when it was last seen.
func withoutCard(c *cli.Context, slot piv.Slot, before time.Duration, absent error) error {
	var first *need
	for _, s := range loadSeen() {
		if s.Slot != slot.String() || c.Uint("serial") != 0 && uint(s.Card) != c.Uint("serial") {
			continue
		}
		if n := s.need(before); first == nil || n.RenewFrom.Before(first.RenewFrom) {
			first = &n
		}
	}
	if first == nil {
		return absent
	}
	first.Seen = true
	if time.Now().Before(first.RenewFrom) {
		return first.report(c)
	}
	return first.due(c, explain(absent))
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

func (n need) report(c *cli.Context) error {
	return report(c, n, func() {
		seen := ""
		if n.Seen {
			seen = "; the card can't be looked at now, and this is what was on it last"
		}
		printf(c, "Nothing to do: the certificate in slot %s of card %d holds until %s (%s). It is renewed from %s on%s.\n",
			n.Slot, n.Card, n.NotAfter.Local().Format(time.DateOnly), left(n.NotAfter, time.Now()), n.RenewFrom.Local().Format(time.DateOnly), seen)
	})
}
