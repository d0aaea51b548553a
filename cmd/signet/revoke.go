package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/piv"
)

func revokeCommand() *cli.Command {
	return &cli.Command{
		Name:      "revoke",
		Usage:     "take one of your own certificates back, for good",
		ArgsUsage: "[SERIAL]",
		Description: "With a card, the certificate on it. Without, for a card that is lost: --user NAME and the\n" +
			"certificate's serial number, which may be left out where there is but one.",
		Flags: flags(command.JSON(), caFlags(), userFlags(), serialFlag(), slotFlag(), pinFlag(),
			&cli.StringFlag{Name: "reason", Value: "unspecified", Usage: "`REASON` of RFC 5280: unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation"},
			&cli.BoolFlag{Name: "yes", Usage: "don't ask"}),
		Action: runRevoke,
	}
}

func runRevoke(c *cli.Context) error {
	if c.Args().Len() > 1 {
		return command.Usage(c, "one certificate at a time")
	}
	reason, err := ca.ParseReason(c.String("reason"))
	if err != nil {
		return command.Usage(c, "%w", err)
	}
	var serial ca.Serial
	if c.Args().Present() {
		if serial, err = ca.ParseSerial(c.Args().First()); err != nil {
			return command.Usage(c, "%w", err)
		}
	}
	n, err := connect(c)
	if err != nil {
		return err
	}
	client, onCard, done, err := n.revoker(c)
	if err != nil {
		return err
	}
	defer done()
	if serial == (ca.Serial{}) {
		serial = onCard
	}
	if serial == (ca.Serial{}) {
		if serial, err = onlyOne(c.Context, client); err != nil {
			return err
		}
	}
	if err := confirmRevocation(c, serial); err != nil {
		return err
	}
	if err := client.Revoke(c.Context, serial, reason); err != nil {
		return fmt.Errorf("revoking %s: %w", serial, err)
	}
	n.remember(c)
	out := map[string]string{"serial": serial.String(), "reason": reason.String()}
	return report(c, out, func() { printf(c, "Revoked: %s (%s)\n", serial, reason) })
}

// revoker is who asks: the account, where one is named, or the holder of the
// card's certificate, and its serial number.
func (n *connection) revoker(c *cli.Context) (*enroll.Client, ca.Serial, func(), error) {
	nothing := func() {}
	if c.String("user") != "" {
		creds, err := n.credentials(c)
		return n.client(creds, nil), ca.Serial{}, nothing, err
	}
	slot, err := piv.ParseSlot(c.String("slot"))
	if err != nil {
		return nil, ca.Serial{}, nothing, command.Usage(c, "%w", err)
	}
	card, err := openCard(c)
	if errors.Is(err, piv.ErrNoCard) || errors.Is(err, piv.ErrNoService) || errors.Is(err, piv.ErrNotAllowed) || errors.Is(err, piv.ErrNoSupport) {
		return nil, ca.Serial{}, nothing, exit.With(exit.NoCard, err, "Without the card: --user NAME, and the account's password.")
	}
	if err != nil {
		return nil, ca.Serial{}, nothing, err
	}
	done := func() { _ = card.Close() }
	cert, serial, err := n.holder(c, card, slot)
	if err != nil {
		done()
		return nil, ca.Serial{}, nothing, err
	}
	return n.client(enroll.Credentials{}, cert), serial, done, nil
}

// holder is what the CA knows the holder of the slot's certificate by, for TLS: that
// certificate, or the one that it goes with; and its serial number.
func (n *connection) holder(c *cli.Context, card piv.Card, slot piv.Slot) (*tls.Certificate, ca.Serial, error) {
	own, err := card.Certificate(c.Context, slot)
	if errors.Is(err, piv.ErrEmpty) {
		return nil, ca.Serial{}, exit.With(exit.NotFound, fmt.Errorf("slot %s of the card has no certificate", slot), "Name the certificate by its serial number, with --user.")
	}
	if err != nil {
		return nil, ca.Serial{}, err
	}
	serial, ok := ca.SerialOf(own.SerialNumber)
	if !ok {
		return nil, ca.Serial{}, exit.With(exit.NotFound, errors.New("the certificate on the card is not of this CA"), "Name its CA with --ca, or the slot of another one with --slot.")
	}
	by, leaf, err := ceremony.SignIn(c.Context, card, slot)
	if err != nil {
		return nil, ca.Serial{}, exit.With(exit.NotFound, err, "Name the certificate by its serial number, with --user.")
	}
	signer, err := ceremony.Unlocked(c.Context, card, &terminal{c: c}, by)
	if err != nil {
		return nil, ca.Serial{}, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: signer, Leaf: leaf}, serial, nil
}

// onlyOne is the account's one certificate that could be revoked.
func onlyOne(ctx context.Context, client *enroll.Client) (ca.Serial, error) {
	all, err := client.Certificates(ctx)
	if err != nil {
		return ca.Serial{}, err
	}
	var good []enroll.Record
	var lines []string
	for _, r := range all {
		if r.Status == enroll.StatusGood || r.Status == enroll.StatusHeld {
			good = append(good, r)
			lines = append(lines, fmt.Sprintf("%s (until %s)", r.Serial, r.NotAfter.Format("2006-01-02")))
		}
	}
	switch len(good) {
	case 0:
		return ca.Serial{}, exit.With(exit.NotFound, errors.New("the account has no certificate to revoke"), "\"signet status\" shows what is on a card.")
	case 1:
		return good[0].Serial, nil
	}
	return ca.Serial{}, exit.With(exit.Usage, fmt.Errorf("the account has %d certificates", len(good)), "Name one: "+strings.Join(lines, ", ")+".")
}

func confirmRevocation(c *cli.Context, serial ca.Serial) error {
	if c.Bool("yes") {
		return nil
	}
	fmt.Fprintf(c.App.ErrWriter, "The certificate %s will be refused everywhere, for good.\n", serial)
	answer, err := askLine(c, "Type \"revoke\" to go on", "")
	if err != nil {
		return err
	}
	if answer != "revoke" {
		return exit.With(exit.Failed, errors.New("not confirmed: nothing was changed"), "")
	}
	return nil
}
