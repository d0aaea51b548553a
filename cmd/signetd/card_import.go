package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"signet/internal/cardserials"
	"signet/internal/command"
	"signet/internal/exit"
)

func cardImport() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "put the cards of a purchase order into the inventory", ArgsUsage: "FILE",
		Description: "FILE is a CSV file with the serial numbers in a column of their own, or a text file with one to a line.\n" +
			"Cards that are known stay as they are. \"card forget\" takes back what was imported by mistake.",
		Flags: reportFlags(&cli.StringFlag{Name: "note", Usage: "a `NOTE` to keep with each of them: the order's number"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "FILE")
			if err != nil {
				return err
			}
			list, err := cardserials.ReadFile(args[0])
			if err != nil {
				return exit.With(exit.Usage, err, "Nothing was imported.")
			}
			return importCards(c, list)
		},
	}
}

func importCards(c *cli.Context, list cardserials.List) error {
	client, err := dialOperator(c)
	if err != nil {
		return err
	}
	defer client.close()
	var total importedCards
	for some := range slices.Chunk(list.Serials, maxImport) {
		var one importedCards
		if err := client.call(c.Context, "card.import", newCards{some, c.String("note")}, &one); err != nil {
			return exit.With(exit.CodeOf(err), fmt.Errorf("it ended after %d cards: %w", total.Added+total.Known, err),
				"The same command again goes on with the rest.")
		}
		total.Added += one.Added
		total.Known += one.Known
		if done := total.Added + total.Known; done%20_000 == 0 {
			fmt.Fprintf(c.App.ErrWriter, "%d of %d\n", done, len(list.Serials))
		}
	}
	total.Column = list.Column
	return report(c, total, func(w io.Writer) {
		if total.Column != "" {
			fmt.Fprintf(w, "%-12s %s\n", "Column", total.Column)
		}
		fmt.Fprintf(w, "%-12s %d\n%-12s %d\n", "Added", total.Added, "Known before", total.Known)
	})
}

func cardForget() *cli.Command {
	return &cli.Command{
		Name: "forget", Usage: "take a card out of the inventory again that was imported by mistake", ArgsUsage: "SERIAL",
		Description: "Only one with which nobody has ever enrolled, and which was never anybody's.",
		Flags:       reportFlags(),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "SERIAL")
			if err != nil {
				return err
			}
			serial, err := cardSerial(c, args[0])
			if err != nil {
				return err
			}
			var out fallen
			if err := operate(c, "card.forget", cardStep{Serial: serial}, &out); err != nil {
				return unknownCard(err)
			}
			return report(c, out, func(w io.Writer) { fmt.Fprintf(w, "Card %d is forgotten.\n", serial) })
		},
	}
}
