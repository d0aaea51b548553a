package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
	"signet/internal/exit"
)

func planCommand() *cli.Command {
	return command.Group("plan", "which keys the profiles want", &cli.Command{
		Name: "check", Usage: "list the certificates in force whose keys the profiles would refuse today",
		Description: fmt.Sprintf("They are held against the configuration as it is on disk, also where a server runs by another: so a\n"+
			"draft can be tried with --config. Each is listed with every rule that it doesn't meet. It changes nothing. The exit code is\n"+
			"%d where there are some, 0 where there are none. With --serials the list is what\n"+
			"\"signetd cert revoke --from -\" reads: those whose own keys would be refused, and not those\n"+
			"that only lack a companion on their card (set.incomplete).", exit.Unmet),
		Flags: reportFlags(&cli.StringFlag{Name: "profile", Usage: "look at those of `PROFILE` alone"},
			&cli.BoolFlag{Name: "serials", Usage: "print serial numbers alone, one a line"}),
		Action: runPlanCheck,
	})
}

func runPlanCheck(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	if c.Bool("json") && c.Bool("serials") {
		return command.Usage(c, "--json and --serials are two forms of the same: give one")
	}
	conf, err := config(c)
	if err != nil {
		return err
	}
	draft, err := draftOf(conf)
	if err != nil {
		return err
	}
	client, err := dialOperator(c)
	if err != nil {
		return err
	}
	defer client.close()
	body, err := client.post(c.Context, "plan.check", planCheck{Profile: c.String("profile"), Draft: draft})
	if err != nil {
		return err
	}
	defer body.Close()
	sum, err := readPlanWords(json.NewDecoder(body), planPrinterOf(c))
	if err != nil {
		return err
	}
	return unmet(sum, c.String("profile"))
}

// unmet is the exit code of what was found.
func unmet(sum *planSummary, profile string) error {
	switch {
	case sum.Failing > 0 && len(sum.Rules) == 1 && sum.Rules[setIncomplete] > 0:
		lack := "lack some of what is enrolled with them today"
		if sum.Failing == 1 {
			lack = "lacks some of what is enrolled with it today"
		}
		return exit.With(exit.Unmet, fmt.Errorf("%s of %d in force %s", certificates(sum.Failing), sum.Checked, lack),
			"Their holders complete the set, at their computer: signet enroll --missing.")
	case sum.Failing > 0:
		return exit.With(exit.Unmet, fmt.Errorf("%s of %d in force would be refused today", certificates(sum.Failing), sum.Checked),
			"To take them back: signetd plan check --serials | signetd cert revoke --reason superseded --yes --from -")
	case profile != "" && sum.Checked == 0:
		return exit.With(exit.NotFound, fmt.Errorf("no certificate of a profile %s is in force", profile), "\"signetd cert list\" shows profiles.")
	}
	return nil
}

// readPlanWords prints findings as they come; the summary is last, and without it the list
// is not whole.
func readPlanWords(from *json.Decoder, to planPrinter) (*planSummary, error) {
	for n := 0; ; n++ {
		var word planWord
		if err := from.Decode(&word); err != nil {
			return nil, fmt.Errorf("the list broke off: %w", err)
		}
		if word.Summary != nil {
			return word.Summary, to.end(n, word.Summary)
		}
		if word.Finding == nil {
			return nil, errors.New("the list broke off: the server said what this program doesn't know")
		}
		if err := to.finding(n, word.Finding); err != nil {
			return nil, err
		}
	}
}

// A planPrinter is a form of the list: finding prints the nth from 0, end is called with
// how many they were.
type planPrinter interface {
	finding(n int, f *planFinding) error
	end(n int, sum *planSummary) error
}

func planPrinterOf(c *cli.Context) planPrinter {
	switch {
	case c.Bool("json"):
		return planJSON{c.App.Writer}
	case c.Bool("serials"):
		return planSerials{c.App.Writer}
	}
	return planTable{c.App.Writer}
}

// planTable is for people.
type planTable struct{ io.Writer }

const planRow = "%-18s %-16s %-14s %-10s %s\n"

func (w planTable) finding(n int, f *planFinding) error {
	if n == 0 {
		fmt.Fprintf(w, planRow, "SERIAL", "USER", "PROFILE", "CARD", "UNTIL")
	}
	card := "-"
	if f.Card != 0 {
		card = fmt.Sprint(f.Card)
	}
	_, err := fmt.Fprintf(w, planRow, f.Serial.String()[:16], f.Account, f.Profile, card, f.NotAfter.UTC().Format("2006-01-02 15:04"))
	for _, rule := range f.Fails {
		fmt.Fprintf(w, "    %-30s %s\n", rule.Rule, rule.Reason)
	}
	return err
}

func (w planTable) end(_ int, sum *planSummary) error {
	if sum.Checked == 0 {
		_, err := fmt.Fprintln(w, "There is no certificate in force to look at.")
		return err
	}
	if sum.Failing == 0 {
		_, err := fmt.Fprintf(w, "All certificates in force meet their profiles: %d\n", sum.Checked)
		return err
	}
	var rules []string
	for _, name := range slices.Sorted(maps.Keys(sum.Rules)) {
		rules = append(rules, fmt.Sprintf("%s %d", name, sum.Rules[name]))
	}
	_, err := fmt.Fprintf(w, "%d of %d certificates in force: %s\n", sum.Failing, sum.Checked, strings.Join(rules, ", "))
	return err
}

// setIncomplete is the rule for a certificate whose card lacks a companion.
const setIncomplete = "set.incomplete"

// planSerials is for "cert revoke --from": those whose own keys would be refused.
type planSerials struct{ io.Writer }

func (w planSerials) finding(_ int, f *planFinding) error {
	if !slices.ContainsFunc(f.Fails, func(r failedRule) bool { return r.Rule != setIncomplete }) {
		return nil // its key is as it should be: others are missing beside it
	}
	_, err := fmt.Fprintln(w, f.Serial)
	return err
}

func (w planSerials) end(int, *planSummary) error { return nil }

// planJSON is one object: {"certificates": […], "checked": …, "failing": …, "rules": {…}}.
type planJSON struct{ io.Writer }

func (w planJSON) finding(n int, f *planFinding) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s", map[bool]string{true: "{\"certificates\":[\n", false: ",\n"}[n == 0], text)
	return err
}

func (w planJSON) end(n int, sum *planSummary) error {
	text, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s],\n%s\n", map[bool]string{true: "{\"certificates\":[", false: "\n"}[n == 0], text[1:])
	return err
}
