package main

import (
	"crypto/x509"
	"errors"

	"github.com/urfave/cli/v2"

	"signet/enroll/ceremony"
	"signet/internal/command"
	"signet/internal/dn"
	"signet/piv"
	"signet/piv/yubikey"
)

func cardCommand() *cli.Command {
	return command.Group("card", "look at cards, unblock and reset them",
		cardListCommand(), cardInfoCommand(), cardUnblockCommand(), cardResetCommand())
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

func cardInfoCommand() *cli.Command {
	return &cli.Command{
		Name: "info", Usage: "show what a card holds, without its PIN",
		Flags:  flags(command.JSON(), serialFlag()),
		Action: runCardInfo,
	}
}

// A cardInfo is what a card tells without its PIN.
type cardInfo struct {
	piv.Info
	PINTries             int        `json:"pin_tries"`
	FactoryManagementKey bool       `json:"factory_management_key"`
	Slots                []slotInfo `json:"slots"`
}

type slotInfo struct {
	Slot        string        `json:"slot"`
	Algorithm   piv.Algorithm `json:"algorithm,omitempty"`
	PINPolicy   string        `json:"pin_policy,omitempty"`
	TouchPolicy string        `json:"touch_policy,omitempty"`
	Generated   bool          `json:"generated"`
	Subject     string        `json:"subject,omitempty"`
	Serial      string        `json:"serial,omitempty"`
	NotAfter    string        `json:"not_after,omitempty"`
	cert        *x509.Certificate
}

func runCardInfo(c *cli.Context) error {
	card, err := findCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	info := cardInfo{Info: card.Info(), Slots: []slotInfo{}}
	if info.PINTries, err = card.PINTries(c.Context); err != nil {
		return err
	}
	if info.FactoryManagementKey, err = card.FactoryManagementKey(c.Context); err != nil {
		return err
	}
	for _, s := range []piv.Slot{piv.SlotAuthentication, piv.SlotSignature, piv.SlotKeyManagement, piv.SlotCardAuthentication} {
		slot, ok, err := readSlot(c, card, s)
		if err != nil {
			return err
		}
		if ok {
			info.Slots = append(info.Slots, slot)
		}
	}
	return report(c, info, func() { printCard(c, info) })
}

// readSlot is what a slot holds; false where it is empty.
func readSlot(c *cli.Context, card piv.Card, s piv.Slot) (slotInfo, bool, error) {
	out := slotInfo{Slot: s.String()}
	key, keyErr := card.Key(c.Context, s)
	cert, certErr := card.Certificate(c.Context, s)
	for _, err := range []error{keyErr, certErr} {
		if errors.Is(err, piv.ErrRemoved) || errors.Is(err, c.Context.Err()) && err != nil {
			return out, false, err
		}
	}
	if keyErr == nil {
		out.Algorithm, out.Generated = key.Algorithm, key.Generated
		out.PINPolicy, out.TouchPolicy = key.PINPolicy.String(), key.TouchPolicy.String()
	}
	if certErr == nil {
		out.cert, out.Subject = cert, dn.String(cert.RawSubject)
		out.Serial, out.NotAfter = serialOf(cert), cert.NotAfter.UTC().Format("2006-01-02T15:04:05Z")
	}
	return out, keyErr == nil || certErr == nil, nil
}

func printCard(c *cli.Context, info cardInfo) {
	printf(c, "%s\nPIN tries left: %d\n", cardLine(info.Info), info.PINTries)
	if info.FactoryManagementKey {
		printf(c, "The management key is the factory's: \"signet enroll\" replaces it.\n")
	}
	for _, s := range info.Slots {
		printf(c, "Slot %s: ", s.Slot)
		if s.Algorithm == "" {
			printf(c, "no key\n")
		} else {
			origin := "imported"
			if s.Generated {
				origin = "generated on the card"
			}
			printf(c, "%s, PIN %s, touch %s, %s\n", s.Algorithm, s.PINPolicy, s.TouchPolicy, origin)
		}
		if s.cert != nil {
			describe(c.App.Writer, s.cert)
		}
	}
	if len(info.Slots) == 0 {
		printf(c, "No keys.\n")
	}
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
		if err := confirmSerial(c, warning, serial); err != nil {
			return err
		}
	}
	if err := card.Reset(c.Context); err != nil {
		return err
	}
	if err := (ceremony.Journal{Dir: stateDir()}).Forget(serial); err != nil {
		return err
	}
	return report(c, card.Info(), func() { printf(c, "Card %d is as new.\n", serial) })
}

func cardUnblockCommand() *cli.Command {
	return &cli.Command{
		Name: "unblock", Usage: "set a new PIN by the PUK, when the PIN is blocked or forgotten",
		Flags: flags(command.JSON(), serialFlag(),
			&cli.StringFlag{Name: "pin-file", Usage: "read the new PIN from `FILE`"},
			&cli.StringFlag{Name: "puk-file", Usage: "read the PUK from `FILE`"}),
		Action: runCardUnblock,
	}
}

func runCardUnblock(c *cli.Context) error {
	card, err := openCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	puk, err := secret{flag: "puk-file", env: "SIGNET_PUK", what: "PUK of the card"}.read(c)
	if err != nil {
		return err
	}
	// Before the PUK is presented: what the card refuses anyway must not cost a try.
	if err := ceremony.CheckLength("PUK", puk); err != nil {
		return err
	}
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
	return report(c, card.Info(), func() { printf(c, "Card %d has a new PIN.\n", card.Info().Serial) })
}
