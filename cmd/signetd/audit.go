package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/urfave/cli/v2"

	"signet/internal/audit"
	"signet/internal/command"
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "show the log: what was done, to whom, and at whose word",
		Description: "The log is in the store, each entry in the same step as the change that it tells of, numbered\n" +
			"without gaps. The oldest is first. An actor is an account, \"@operator:LOGIN\" for a command on the\n" +
			"CA's host, or \"@signetd\".",
		Flags: reportFlags(
			&cli.StringFlag{Name: "actor", Usage: "what `ACTOR` did; \"@operator\" is everybody on the CA's host"},
			&cli.StringFlag{Name: "action", Usage: "`ACTION`s by name, or by the first word: \"certificate.revoke\", \"puk\""},
			&cli.StringFlag{Name: "about", Usage: "entries that name `WHAT`: a user, a card's or a certificate's serial number"},
			&cli.StringFlag{Name: "since", Usage: "from `DATE` on: \"2027-01-31\", a time as RFC 3339 has it, or how long ago: \"7d\""},
			&cli.StringFlag{Name: "until", Usage: "before `DATE`"},
			&cli.IntFlag{Name: "last", DefaultText: "all", Usage: fmt.Sprintf("the last `N` of those, up to %d; all where it is left out", maxLastEvents)}),
		Action: runAudit,
	}
}

func runAudit(c *cli.Context) error {
	f, err := auditFilterOf(c)
	if err != nil {
		return err
	}
	head := fmt.Sprintf("%-8s %-20s %-20s %-22s %s\n", "NUMBER", "TIME", "ACTOR", "ACTION", "OBJECT AND DETAILS")
	return printElements(c, "audit.list", f, head, printEvent)
}

func auditFilterOf(c *cli.Context) (f auditFilter, err error) {
	if _, err := command.Args(c); err != nil {
		return f, err
	}
	f = auditFilter{Actor: c.String("actor"), Action: c.String("action"), About: c.String("about"), Last: c.Int("last")}
	if c.IsSet("last") && (f.Last < 1 || f.Last > maxLastEvents) {
		return f, command.Usage(c, "--last: 1 to %d", maxLastEvents)
	}
	if f.Since, err = moment(c, "since"); err != nil {
		return f, err
	}
	f.Until, err = moment(c, "until")
	return f, err
}

// moment reads a flag that is a date, or how long ago.
func moment(c *cli.Context, flag string) (time.Time, error) {
	s := c.String(flag)
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := command.Duration(s); err == nil {
		return time.Now().Add(-ago), nil
	}
	t, err := parseDate(s)
	if err != nil {
		return t, command.Usage(c, "--%s: %w", flag, err)
	}
	return t, nil
}

func printEvent(w io.Writer, e audit.Event) error {
	_, err := fmt.Fprintf(w, "%-8d %-20s %-20s %-22s %s\n", e.Seq, e.Time.UTC().Format(time.RFC3339), e.Actor, e.Action, about(e))
	return err
}

// about is an event's object and details on one line.
func about(e audit.Event) string {
	words := []string{e.Object}
	for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
		value := e.Detail[k]
		if value == "" || strings.ContainsFunc(value, needsQuotes) {
			value = fmt.Sprintf("%q", value)
		}
		words = append(words, k+"="+value)
	}
	return strings.Join(words, " ")
}

func needsQuotes(r rune) bool { return r == ' ' || r == '"' || !unicode.IsPrint(r) }
