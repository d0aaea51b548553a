package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
	"signet/piv"
	"signet/piv/yubikey"
)

// openCard opens the card that --serial names, or the only one, for this run alone, and says which.
func openCard(c *cli.Context) (piv.Card, error) {
	card, err := findCard(c)
	if err == nil && !c.Bool("dry-run") {
		card, err = claim(card)
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(c.App.ErrWriter, "using "+cardLine(card.Info()))
	return card, nil
}

func findCard(c *cli.Context) (piv.Card, error) {
	serial := c.Uint("serial")
	if serial > math.MaxUint32 {
		return nil, command.Usage(c, "%d is no serial number", serial)
	}
	card, err := yubikey.Open(c.Context, uint32(serial))
	var several *piv.SeveralError
	if errors.As(err, &several) {
		for _, info := range several.Cards {
			fmt.Fprintln(c.App.ErrWriter, "  "+cardLine(info))
		}
	}
	return card, err
}

func cardLine(i piv.Info) string {
	if i.HeldBy != "" {
		return fmt.Sprintf("a card in %s, held by another program: %s", i.Reader, i.HeldBy)
	}
	shape := ""
	if i.FormFactor != "" {
		shape = ", " + i.FormFactor
	}
	return fmt.Sprintf("card %d: firmware %s%s, in %s", i.Serial, i.Firmware, shape, i.Reader)
}
