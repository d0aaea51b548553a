package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
	"signet/internal/exit"
)

func certList() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list certificates", Flags: append(reportFlags(filterFlags()...),
			&cli.StringFlag{Name: "expiring", Usage: "those that are valid and run out within `TIME`: \"30d\""},
			&cli.BoolFlag{Name: "fail-if-any", Usage: "with --expiring: exit with 14 where there are any"},
			&cli.BoolFlag{Name: "revoked", Usage: "those that are revoked or on hold; --revoked=false: those that are not"},
			&cli.BoolFlag{Name: "all", Usage: "the CA's own too"}),
		Action: func(c *cli.Context) error {
			f, after, err := filterOf(c)
			if err != nil {
				return err
			}
			if c.Bool("fail-if-any") && after.IsZero() {
				return command.Usage(c, "--fail-if-any goes with --expiring")
			}
			client, err := dialOperator(c)
			if err != nil {
				return err
			}
			defer client.close()
			body, err := client.post(c.Context, "cert.list", f)
			if err != nil {
				return err
			}
			defer body.Close()
			n, err := printList(c, body, after)
			if err == nil && n > 0 && c.Bool("fail-if-any") {
				err = exit.With(exit.Expiring, fmt.Errorf("%s will run out within %s", certificates(n), c.String("expiring")),
					"Their holders renew with \"signet renew\".")
			}
			return err
		},
	}
}

// filterOf reads the flags of "cert list"; only certificates that are valid
// after the time returned are wanted.
func filterOf(c *cli.Context) (f certFilter, after time.Time, err error) {
	if _, err := command.Args(c); err != nil {
		return f, after, err
	}
	if f, err = chosenBy(c); err != nil {
		return f, after, err
	}
	f.All = c.Bool("all")
	if c.IsSet("revoked") {
		revoked := c.Bool("revoked")
		f.Revoked = &revoked
	}
	if s := c.String("expiring"); s != "" {
		d, err := command.Duration(s)
		if err != nil {
			return f, after, command.Usage(c, "--expiring: %w", err)
		}
		after = time.Now()
		f.ExpiresBefore = after.Add(d)
		if f.Revoked == nil { // what is taken back needs no renewal
			f.Revoked = new(bool)
		}
	}
	return f, after, nil
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date: 2027-01-31, or as RFC 3339 has it", s)
}

const listRow = "%-18s %-16s %-14s %-10s %-17s %s\n"

// printList prints certificates as they come, but those that run out the soonest
// first: a table, or with --json one array of objects. It returns how many of them have no
// certificate in their place yet.
func printList(c *cli.Context, body io.Reader, after time.Time) (due int, err error) {
	l := &listing{w: c.App.Writer, asJSON: c.Bool("json"), now: after}
	if !l.asJSON {
		fmt.Fprintf(l.w, listRow, "SERIAL", "USER", "PROFILE", "CARD", "UNTIL", "STATE")
	}
	err = elementsOf(body, func(one certificate) error {
		if one.NotAfter.Before(after) {
			return nil
		}
		return l.add(one)
	})
	if err != nil {
		return l.due, err
	}
	if err := l.flush(); err != nil {
		return l.due, err
	}
	if l.asJSON {
		endElements(l.w, l.n)
	}
	return l.due, nil
}

// A listing is on its way to stdout.
type listing struct {
	w      io.Writer
	asJSON bool
	now    time.Time     // zero where it is not about what expires
	sorted []certificate // what waits to be sorted by its end
	n      int           // how many were printed
	due    int           // and how many of them were not renewed
}

// maxSorted bounds how many wait: more are printed in parts that are sorted each.
const maxSorted = 20_000

func (l *listing) add(one certificate) error {
	if l.now.IsZero() {
		return l.print(one)
	}
	if l.sorted = append(l.sorted, one); len(l.sorted) < maxSorted {
		return nil
	}
	return l.flush()
}

func (l *listing) flush() error {
	slices.SortStableFunc(l.sorted, func(a, b certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	for _, one := range l.sorted {
		if err := l.print(one); err != nil {
			return err
		}
	}
	l.sorted = l.sorted[:0]
	return nil
}

func (l *listing) print(one certificate) error {
	l.n++
	if !one.Renewed {
		l.due++
	}
	if l.asJSON {
		return printElement(l.w, l.n-1, one)
	}
	one.printRow(l.w, l.now)
	return nil
}

// printRow prints c; how long it has, where now isn't zero.
func (c certificate) printRow(w io.Writer, now time.Time) {
	card := "-"
	if c.Card != nil {
		card = fmt.Sprint(c.Card.Serial)
	}
	account := c.Account
	switch {
	case account == "" && c.Profile == importedProfile:
		account = "(nobody's)"
	case account == "":
		account = "(the CA's own)"
	}
	state := c.stateInWords()
	if !now.IsZero() {
		state += ", " + within(c.NotAfter.Sub(now))
		if c.Renewed {
			state += ", renewed"
		}
	}
	// 16 of 40 digits tell them apart; commands take so few.
	fmt.Fprintf(w, listRow, c.Serial.String()[:16], account, c.Profile, card, c.NotAfter.UTC().Format("2006-01-02 15:04"), state)
}

// within says when something is.
func within(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("in %d minutes", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("in %d hours", d/time.Hour)
	}
	return fmt.Sprintf("in %d days", d/day)
}
