package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"signet/enroll"
	"signet/internal/command"
)

func cardShow() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "show a card and what is on it", ArgsUsage: "SERIAL", Flags: reportFlags(),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "SERIAL")
			if err != nil {
				return err
			}
			in := cardStep{}
			if in.Serial, err = cardSerial(c, args[0]); err != nil {
				return err
			}
			var out cardState
			if err := operate(c, "card.show", in, &out); err != nil {
				return unknownCard(err)
			}
			return report(c, out, func(w io.Writer) { out.print(w) })
		},
	}
}

func (s cardState) print(w io.Writer) {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", name, value)
		}
	}
	row("Card", fmt.Sprint(s.Serial))
	row("State", string(s.State)+", since "+s.Changed.UTC().Format(timeFormat))
	row("User", s.Account)
	row("Hardware", hardwareInWords(s.Card))
	if s.FirstSeen.IsZero() {
		row("First seen", "not yet")
	} else {
		row("First seen", s.FirstSeen.UTC().Format(timeFormat))
	}
	row("Enrolled by", strings.Join(s.Holders, ", "))
	row("Note", s.Note)
	for _, a := range s.Temporary {
		row("Temporary", fmt.Sprintf("profile %s, until %s", a.Profile, a.Until.UTC().Format(timeFormat)))
	}
	for i, c := range s.Certificates {
		state := ""
		if slices.Contains(s.OnHold, c.Serial) {
			state = ", on hold"
		}
		row([]string{"Certificates", " "}[min(i, 1)], c.String()+state)
	}
}

func hardwareInWords(c enroll.Card) string {
	words := []string{}
	if c.Firmware != "" {
		words = append(words, "firmware "+c.Firmware)
	}
	for _, w := range []struct {
		has  bool
		word string
	}{{c.FormFactor != "", c.FormFactor}, {c.FIPS, "FIPS"}, {c.CSPN, "CSPN"}} {
		if w.has {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ", ")
}

func cardList() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the cards that the CA knows",
		Flags: reportFlags(
			&cli.StringFlag{Name: "user", Usage: "those of `USER`"},
			&cli.StringFlag{Name: "state", Usage: "those in `STATE`: inventory, assigned, lost or retired"}),
		Action: func(c *cli.Context) error {
			if _, err := command.Args(c); err != nil {
				return err
			}
			f := cardFilter{Account: c.String("user"), State: enroll.CardState(c.String("state"))}
			if f.State != "" && !slices.Contains([]enroll.CardState{enroll.CardInventory, enroll.CardAssigned, enroll.CardLost, enroll.CardRetired}, f.State) {
				return command.Usage(c, "--state: %q is none: inventory, assigned, lost or retired", f.State)
			}
			return printElements(c, "card.list", f, fmt.Sprintf(cardRow, "SERIAL", "STATE", "USER", "CHANGED", "HARDWARE AND NOTE"), printCardRow)
		},
	}
}

const cardRow = "%-11s %-10s %-20s %-12s %s\n"

func printCardRow(w io.Writer, one enroll.Card) error {
	about := strings.Trim(hardwareInWords(one)+"; "+one.Note, "; ")
	_, err := fmt.Fprintf(w, cardRow, strconv.FormatUint(uint64(one.Serial), 10), one.State, one.Account, one.Changed.UTC().Format("2006-01-02"), about)
	return err
}
