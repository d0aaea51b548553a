package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"signet/ca"
	"signet/internal/command"
	"signet/internal/exit"
)

// userLeave makes "user disable" and "user remove".
func userLeave(name, usage, operation string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "NAME",
		Description: "It shows what hangs on the account: certificates in force, unused codes, cards, allowances for\n" +
			"temporary certificates. With --revoke all of it falls in one step: certificates are revoked, codes deleted,\n" +
			"cards go into the inventory. With --keep it stays as it is; of an account that is removed, certificates\n" +
			"stay, and the cards with them stay assigned to its name. With neither, it is asked at a terminal.",
		Flags: reportFlags(
			&cli.StringFlag{Name: "revoke", Usage: "take back what hangs on it, for `REASON` of RFC 5280: cessationOfOperation, affiliationChanged, …"},
			&cli.BoolFlag{Name: "keep", Usage: "leave what hangs on it as it is"},
			&cli.BoolFlag{Name: "yes", Usage: "ask for no confirmation"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "NAME")
			if err != nil {
				return err
			}
			if c.IsSet("revoke") && c.Bool("keep") {
				return command.Usage(c, "--revoke and --keep exclude each other")
			}
			if c.IsSet("revoke") {
				if _, err := lastingReason(c.String("revoke")); err != nil {
					return command.Usage(c, "--revoke: %w", err)
				}
			}
			return leave(c, name, operation, userStep{Name: args[0], Reason: c.String("revoke")})
		},
	}
}

// lastingReason reads a reason with which a certificate is revoked for good.
func lastingReason(s string) (ca.Reason, error) {
	r, err := ca.ParseReason(s)
	if err == nil && r == ca.CertificateHold {
		err = errors.New("certificateHold is not for good")
	}
	return r, err
}

func leave(c *cli.Context, action, operation string, in userStep) error {
	client, err := dialOperator(c)
	if err != nil {
		return err
	}
	defer client.close()
	hangs, err := wanted(c, client, action, operation, &in)
	if err != nil {
		return err
	}
	in.Dry = false
	var out userGone
	if err := client.call(c.Context, operation, in, &out); err != nil {
		return err
	}
	return report(c, out, func(w io.Writer) { out.print(w, action, in.Reason, hangs) })
}

// wanted shows what hangs on the account, has it said what shall become of that, and returns it.
func wanted(c *cli.Context, client *operatorClient, action, operation string, in *userStep) (hangs userGone, err error) {
	would := *in
	if would.Dry = true; would.Reason == "" {
		would.Reason = ca.Unspecified.String()
	}
	if err := client.call(c.Context, operation, would, &hangs); err != nil {
		return hangs, err
	}
	if !hangs.any() {
		return hangs, nil
	}
	w, terminal := c.App.ErrWriter, term.IsTerminal(int(os.Stdin.Fd()))
	fmt.Fprintf(w, "What hangs on %s:\n", in.Name)
	hangs.list(w)
	// Without a certificate there is nothing that anyone could go on using.
	if c.Bool("keep") || in.Reason == "" && !terminal && hangs.certificates() == 0 {
		return hangs, nil
	}
	const script = "In a script, give --keep, or --revoke REASON and --yes."
	if in.Reason != "" {
		if c.Bool("yes") {
			return hangs, nil
		}
		return hangs, confirm(c, action, script)
	}
	if !terminal {
		return hangs, exit.With(exit.Usage, errors.New("what shall become of what hangs on "+in.Name+" is not said; nothing was changed"), script)
	}
	answer, err := askLine(c, "Type \"keep\" to leave all of that, or the reason to take it back for (cessationOfOperation, affiliationChanged, keyCompromise, …): ", script)
	if err != nil || answer == "keep" {
		return hangs, err
	}
	if _, err := lastingReason(answer); err != nil {
		return hangs, exit.With(exit.Failed, errNotConfirmed, "")
	}
	in.Reason = answer
	return hangs, nil
}

// print reports what was done of what hung on the account.
func (g userGone) print(w io.Writer, action, reason string, hung userGone) {
	n := hung.certificates()
	switch {
	case action == "remove":
		fmt.Fprintf(w, "Removed %s.\n", g.Name)
		if reason == "" && n > 0 {
			fmt.Fprintf(w, "%s in force: \"signetd cert list --user %s\" names them. Cards with them stay assigned to %s.\n", stayCertificates(n), g.Name, g.Name)
		}
	case g.Again:
		fmt.Fprintf(w, "%s was disabled already.\n", g.Name)
	default:
		fmt.Fprintf(w, "Disabled %s: no log-in, no enrollment.\n", g.Name)
		if reason == "" && hung.any() {
			fmt.Fprintln(w, "What hangs on it stays as it is.")
		}
	}
	g.fallen.print(w)
}

func stayCertificates(n int) string {
	if n == 1 {
		return "1 certificate stays"
	}
	return certificates(n) + " stay"
}
