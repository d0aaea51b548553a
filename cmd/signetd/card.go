package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/enroll"
	"signet/internal/command"
	"signet/internal/exit"
)

func cardCommand() *cli.Command {
	return command.Group("card", "cards: whose they are, and what becomes of them",
		cardList(), cardShow(), cardLost(), cardFound(), cardRetire(), cardAssign(), cardImport(), cardForget())
}

// stepFlags are those of every command that changes a card.
func stepFlags(more ...cli.Flag) []cli.Flag {
	return append(reportFlags(more...),
		&cli.StringFlag{Name: "note", Usage: "a `NOTE` to keep with the card"},
		&cli.BoolFlag{Name: "yes", Usage: "ask for no confirmation"})
}

func cardLost() *cli.Command {
	return &cli.Command{
		Name: "lost", Usage: "put all certificates on a card on hold, and let nobody enroll with it", ArgsUsage: "SERIAL",
		Description: "\"card found\" undoes it, and leaves on hold what was so before. With --temporary the card's\n" +
			"owner may meanwhile have certificates of the profile that [cards] in signetd.toml names, on another\n" +
			"card; they end with the allowance at the latest.",
		Flags: stepFlags(&cli.StringFlag{Name: "temporary", Usage: "let its owner have temporary certificates for `TIME`: \"7d\""}),
		Action: func(c *cli.Context) error {
			in, err := cardArgument(c)
			if err != nil {
				return err
			}
			if s := c.String("temporary"); s != "" {
				d, err := command.Duration(s)
				if err != nil {
					return command.Usage(c, "--temporary: %w", err)
				}
				in.TemporarySeconds = int64(d.Seconds())
			}
			return stepCard(c, "lost", in)
		},
	}
}

func cardFound() *cli.Command {
	return &cli.Command{
		Name: "found", Usage: "release what \"card lost\" put on hold, and end the temporary certificates", ArgsUsage: "SERIAL", Flags: stepFlags(),
		Action: func(c *cli.Context) error {
			in, err := cardArgument(c)
			if err != nil {
				return err
			}
			return stepCard(c, "found", in)
		},
	}
}

func cardRetire() *cli.Command {
	return &cli.Command{
		Name: "retire", Usage: "take a card out of service for good, and revoke what is on it", ArgsUsage: "SERIAL",
		Description: "Reasons: superseded for a card that broke or was replaced, cessationOfOperation for one that\n" +
			"is not needed any more, keyCompromise for one that was stolen with its PIN, or will not be found.",
		Flags: stepFlags(&cli.StringFlag{Name: "reason", Value: ca.Superseded.String(), Usage: "`REASON` of RFC 5280"}),
		Action: func(c *cli.Context) error {
			in, err := cardArgument(c)
			if err != nil {
				return err
			}
			if _, err := lastingReason(c.String("reason")); err != nil {
				return command.Usage(c, "--reason: %w", err)
			}
			in.Reason = c.String("reason")
			return stepCard(c, "retire", in)
		},
	}
}

func cardAssign() *cli.Command {
	return &cli.Command{
		Name: "assign", Usage: "make a card somebody's, before or after they enroll with it", ArgsUsage: "SERIAL USER",
		Flags: stepFlags(&cli.BoolFlag{Name: "to-inventory", Usage: "make it nobody's, in the place of USER"}),
		Action: func(c *cli.Context) error {
			names := []string{"SERIAL", "USER"}
			if c.Bool("to-inventory") {
				names = names[:1]
			}
			args, err := command.Args(c, names...)
			if err != nil {
				return err
			}
			in := cardStep{Note: c.String("note")}
			if in.Serial, err = cardSerial(c, args[0]); err != nil {
				return err
			}
			if len(args) > 1 {
				if in.Account = args[1]; in.Account == "" {
					return command.Usage(c, "USER is missing")
				}
			}
			return stepCard(c, "assign", in)
		},
	}
}

// cardArgument reads a command line of one serial number.
func cardArgument(c *cli.Context) (in cardStep, err error) {
	args, err := command.Args(c, "SERIAL")
	if err != nil {
		return in, err
	}
	in.Note = c.String("note")
	in.Serial, err = cardSerial(c, args[0])
	return in, err
}

func cardSerial(c *cli.Context, s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 {
		return 0, command.Usage(c, "%q is no card's serial number", s)
	}
	return uint32(n), nil
}

// stepCard shows what a step would change, asks, and takes it.
func stepCard(c *cli.Context, action string, in cardStep) error {
	client, err := dialOperator(c)
	if err != nil {
		return err
	}
	defer client.close()
	var falls, out fallen
	in.Dry = true
	if err := client.call(c.Context, "card."+action, in, &falls); err != nil {
		return unknownCard(err)
	}
	if !falls.Again && (falls.certificates() > 0 || action == "retire") {
		w := c.App.ErrWriter
		fmt.Fprintf(w, "Card %d%s:\n", in.Serial, ownerInWords(falls.Card))
		falls.describe(w)
		if falls.certificates() == 0 {
			fmt.Fprintln(w, "  nothing on it is in force; nobody will enroll with it again")
		}
		if !c.Bool("yes") {
			if err := confirm(c, action, "In a script, give --yes."); err != nil {
				return err
			}
		}
	}
	in.Dry = false
	if err := client.call(c.Context, "card."+action, in, &out); err != nil {
		return unknownCard(err)
	}
	return report(c, out, func(w io.Writer) { out.printCard(w) })
}

// unknownCard says what to do about a serial number that nobody knows.
func unknownCard(err error) error {
	var known *exit.Error
	if errors.As(err, &known) && known.Code == exit.NotFound && known.Hint == "" {
		return exit.With(exit.NotFound, err, "\"signetd card list\" names the cards, and \"user list\" the users. Nothing was ever enrolled with any other card.")
	}
	return err
}

func ownerInWords(c *enroll.Card) string {
	if c == nil || c.Account == "" {
		return ""
	}
	return " of " + c.Account
}

func (f *fallen) printCard(w io.Writer) {
	card := f.Card
	again := ""
	if f.Again {
		again = " already, since " + card.Changed.UTC().Format(timeFormat)
	}
	fmt.Fprintf(w, "%-12s %d%s: %s%s\n", "Card", card.Serial, ownerInWords(card), card.State, again)
	f.print(w)
}
