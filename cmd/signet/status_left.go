package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/ca"
	"signet/enroll/ceremony"
	"signet/piv"
)

// supersedeLeft goes on with having certificates revoked that earlier runs at this card have
// left, where the PIN is given or can be asked for. It returns those that are left still.
func supersedeLeft(c *cli.Context, card piv.Card) (rest []ca.Serial, err error) {
	journal := ceremony.Journal{Dir: stateDir()}
	all, err := journal.Left(card.Info().Serial)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	known, err := loadAuthorities()
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		au, ok := known.find(l.CA)
		if !ok {
			rest = append(rest, l.Serials...)
			continue
		}
		if !pinSecret.isGiven(c) && !term.IsTerminal(int(os.Stdin.Fd())) {
			rest = append(rest, l.Serials...)
			fmt.Fprintf(c.App.ErrWriter, "signet: warning: certificates for keys that were replaced are still in force: %s. To have them revoked: signet status --pin-file FILE\n", serialsInWords(l.Serials))
			continue
		}
		root, err := au.root()
		if err != nil {
			return nil, err
		}
		n := &connection{authority: au, Root: root, known: known}
		done, left, err := ceremony.Supersede(c.Context, n.ceremony(c, card))
		if errors.Is(err, ceremony.ErrNoCertificate) {
			err = errors.New("the card has no certificate that the CA would know you by")
		}
		if err != nil { // what the card holds is to be told all the same
			fmt.Fprintf(c.App.ErrWriter, "signet: warning: certificates for keys that were replaced are still in force: %s: %v\n", serialsInWords(l.Serials), err)
			left = l.Serials
		}
		for _, s := range done {
			fmt.Fprintf(c.App.ErrWriter, "    revoked as superseded: %s\n", s)
		}
		rest = append(rest, left...)
	}
	return rest, nil
}

func serialsInWords(all []ca.Serial) string {
	if len(all) == 0 {
		return "the CA knows which"
	}
	text := all[0].String()
	for _, s := range all[1:] {
		text += ", " + s.String()
	}
	return text
}
