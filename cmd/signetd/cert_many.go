package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/ca"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/internal/problem"
	"signet/revocation"
)

// filterFlags choose certificates, and are the same wherever that is done.
func filterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "user", Usage: "those of `USER`"},
		&cli.Uint64Flag{Name: "card", DefaultText: "any card", Usage: "those whose key is in the card with this `SERIAL`"},
		&cli.StringFlag{Name: "profile", Usage: "those of `PROFILE`"},
		&cli.StringFlag{Name: "expiring-before", Usage: "those that run out before `DATE`: 2027-01-31 or RFC 3339"},
	}
}

// manyFlags choose many certificates in the place of one.
func manyFlags() []cli.Flag {
	return append(filterFlags(),
		&cli.StringFlag{Name: "from", Usage: "those whose serial numbers are in `FILE`, one a line; - is stdin"},
		&cli.BoolFlag{Name: "yes", Usage: "ask for no confirmation"})
}

// choosesMany reports whether the command line is about many.
func choosesMany(c *cli.Context) bool {
	return c.IsSet("from") || slices.ContainsFunc(filterFlags(), func(f cli.Flag) bool { return c.IsSet(f.Names()[0]) })
}

// many is an action on certificates chosen by filters or by a file.
type many struct {
	c      *cli.Context
	client *operatorClient
	action string
	reason string // that of certificates beside which the file has none
	// What is named or chosen; already is how many more were chosen that the action
	// doesn't concern.
	serialList
	already int
}

// manyResult is what the command reports.
type manyResult struct {
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
	revocation.Batch
	// Held are how many of those changed were put on hold where others were revoked.
	Held int `json:"held,omitempty"`
	// Unknown are the first of those not found, also such as have no form of a [ca.Serial].
	Unknown []string `json:"unknown,omitempty"`
	CRL     string   `json:"crl,omitempty"`
}

// changeMany does the action to all certificates that the flags choose.
func changeMany(c *cli.Context, action, reason string) error {
	if _, err := command.Args(c); err != nil {
		return command.Usage(c, "give a serial number, or choose several by flags, but not both")
	}
	f, err := chosenBy(c)
	if err != nil {
		return err
	}
	m := &many{c: c, action: action, reason: reason}
	if c.IsSet("from") {
		if m.serialList, err = serialsFrom(c.String("from")); err != nil {
			return exit.With(exit.Usage, err, "")
		}
		if action != actionRevoke || c.IsSet("reason") {
			m.reasons = nil
		}
	}
	if m.client, err = dialOperator(c); err != nil {
		return err
	}
	defer m.client.close()
	if !c.IsSet("from") {
		if err := m.choose(f); err != nil {
			return err
		}
	}
	if err := m.confirm(); err != nil {
		return err
	}
	return m.run()
}

// chosenBy is the filter that the flags make.
func chosenBy(c *cli.Context) (f certFilter, err error) {
	if c.IsSet("from") && slices.ContainsFunc(filterFlags(), func(f cli.Flag) bool { return c.IsSet(f.Names()[0]) }) {
		return f, command.Usage(c, "--from names certificates: nothing else can choose among them")
	}
	f = certFilter{Account: c.String("user"), Card: uint32(c.Uint64("card")), Profile: c.String("profile")}
	if uint64(f.Card) != c.Uint64("card") {
		return f, command.Usage(c, "--card: no card has that serial number")
	}
	if s := c.String("expiring-before"); s != "" {
		if f.ExpiresBefore, err = parseDate(s); err != nil {
			return f, command.Usage(c, "--expiring-before: %w", err)
		}
	}
	return f, nil
}

// choose asks for the certificates that the filter lets through.
func (m *many) choose(f certFilter) error {
	body, err := m.client.post(m.c.Context, "cert.choose", choosing{m.action, f})
	if err != nil {
		return err
	}
	defer body.Close()
	err = elementsOf(body, func(one choice) error {
		if one.Concerned {
			m.serials = append(m.serials, one.Serial)
		} else {
			m.already++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	return nil
}

// confirm shows what is about to happen and asks whether it shall.
func (m *many) confirm() error {
	w := m.c.App.ErrWriter
	for i, g := range m.groups() {
		if i > 0 {
			fmt.Fprint(w, "; ")
		}
		fmt.Fprintf(w, "%s will be %s", certificates(len(g.serials)), map[string]string{
			actionRevoke: "revoked for good, reason " + g.reason, actionHold: "put on hold", actionRelease: "released",
		}[g.action])
	}
	if m.already > 0 {
		fmt.Fprintf(w, "; %d more need no change", m.already)
	}
	if n := len(m.foreign); n > 0 {
		fmt.Fprintf(w, "; %d more are none of this CA's", n)
	}
	fmt.Fprintln(w, ".")
	const script = "In a script, give --yes."
	switch {
	case m.c.Bool("yes") || len(m.serials) == 0:
		return nil
	case m.c.String("from") == "-":
		return exit.With(exit.Usage, errors.New("a confirmation is wanted, and there is no terminal to ask at"), script)
	}
	return confirm(m.c, m.action, script)
}

// A group is what of many is done in one way.
type group struct {
	action, reason string
	serials        []ca.Serial
}

// groups are those with a reason of their own, in the order of the file, after all others; there
// is at least one.
func (m *many) groups() []group {
	all := []group{{action: m.action, reason: m.reason}}
	for _, serial := range m.serials {
		action, reason := m.action, m.reason
		if why, ok := m.reasons[serial]; ok {
			action, reason = actionOf(why.String()), why.String()
		}
		i := slices.IndexFunc(all, func(g group) bool { return g.reason == reason })
		if i < 0 {
			i, all = len(all), append(all, group{action: action, reason: reason})
		}
		all[i].serials = append(all[i].serials, serial)
	}
	if len(all) > 1 && len(all[0].serials) == 0 {
		return all[1:]
	}
	return all
}

func certificates(n int) string {
	if n == 1 {
		return "1 certificate"
	}
	return fmt.Sprintf("%d certificates", n)
}

// run does it and reports.
func (m *many) run() error {
	ctx, stop := signal.NotifyContext(m.c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	m.c.Context = ctx
	groups := m.groups()
	out := manyResult{Action: groups[0].action, Reason: groups[0].reason, Batch: revocation.Batch{Already: m.already}}
	if len(groups) > 1 {
		out.Action, out.Reason = m.action, "" // several
	}
	for _, g := range groups {
		before := out.Changed
		if err := m.group(g, &out); err != nil {
			return exit.With(exit.CodeOf(err), fmt.Errorf("it ended after %s: %w", certificates(out.Changed), err),
				"What was done is done. The same command again goes on with the rest.")
		}
		if g.action == actionHold && len(groups) > 1 {
			out.Held += out.Changed - before
		}
	}
	out.add(m.foreign)
	if err := report(m.c, out, out.print); err != nil {
		return err
	}
	if out.NotFound > 0 {
		return exit.With(exit.NotFound, fmt.Errorf("%d of the serial numbers are none of this CA's", out.NotFound), "The others are done.")
	}
	return nil
}

func (m *many) group(g group, out *manyResult) error {
	parts := slices.Collect(slices.Chunk(g.serials, maxMany))
	if len(parts) == 0 {
		parts = append(parts, nil) // the result still says where the CRL is
	}
	for _, some := range parts {
		if err := m.part(manyCerts{g.action, g.reason, some}, out); err != nil {
			return err
		}
	}
	return nil
}

// part has some of the serials changed, and adds to out what became of them.
func (m *many) part(some manyCerts, out *manyResult) error {
	body, err := m.client.post(m.c.Context, "cert.many", some)
	if err != nil {
		return err
	}
	defer body.Close()
	before := out.Batch
	for from := json.NewDecoder(body); ; {
		var now manyDone
		if err := from.Decode(&now); err != nil {
			return fmt.Errorf("the server's answer broke off: %w", err)
		}
		out.Changed = before.Changed + now.Changed
		out.Already = before.Already + now.Already
		out.NotFound = before.NotFound + now.NotFound
		out.Batch.Unknown = append(slices.Clip(before.Unknown), now.Unknown...)
		switch {
		case now.Failed != nil:
			return failedPart(now.Failed)
		case now.Last:
			out.CRL = now.CRL
			return nil
		}
		m.progress(out)
	}
}

// maxNamed is how many of those not found are named.
const maxNamed = 10

// add counts those that no server was asked for, and names the first of all.
func (r *manyResult) add(foreign []string) {
	r.NotFound += len(foreign)
	for _, serial := range r.Batch.Unknown {
		r.Unknown = append(r.Unknown, serial.String())
	}
	r.Unknown = append(r.Unknown, foreign...)
	r.Unknown = r.Unknown[:min(len(r.Unknown), maxNamed)]
}

func failedPart(p *problem.Problem) error { return exit.With(exit.Failed, p, p.Hint) }

// progress says on stderr how far it is: over and over in one line of a terminal.
func (m *many) progress(out *manyResult) {
	done := out.Changed + out.Already - m.already + out.NotFound
	if term.IsTerminal(int(os.Stderr.Fd())) {
		end := "\r"
		if done == len(m.serials) {
			end = "\n"
		}
		fmt.Fprintf(m.c.App.ErrWriter, "%d of %d%s", done, len(m.serials), end)
	} else if done%10_000 < 1000 {
		fmt.Fprintf(m.c.App.ErrWriter, "%d of %d\n", done, len(m.serials))
	}
}

func (r manyResult) print(w io.Writer) {
	row := func(name, value string) { fmt.Fprintf(w, "%-12s %s\n", name, value) }
	row(map[string]string{actionRevoke: "Revoked", actionHold: "On hold", actionRelease: "Released"}[r.Action], fmt.Sprint(r.Changed-r.Held))
	if r.Held > 0 {
		row("On hold", fmt.Sprint(r.Held))
	}
	if r.Already > 0 {
		row("Unchanged", fmt.Sprintf("%d that needed no change", r.Already))
	}
	for i, serial := range r.Unknown {
		row(map[bool]string{true: "Not found"}[i == 0], serial)
	}
	if more := r.NotFound - len(r.Unknown); more > 0 {
		row("", fmt.Sprintf("and %d more", more))
	}
	if r.CRL != "" {
		row("CRL", crlInWords(r.CRL))
	}
}
