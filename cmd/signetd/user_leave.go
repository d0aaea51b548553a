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
			"cards go into the inventory. With --keep it stays as it is. With neither, it is asked at a terminal.",
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
	if err := wanted(c, client, action, operation, &in); err != nil {
		return err
	}
	in.Dry = false
	var out userGone
	if err := client.call(c.Context, operation, in, &out); err != nil {
		return err
	}
	return report(c, out, func(w io.Writer) { out.print(w, action, in.Reason) })
}

// wanted shows what hangs on the account, and has it said what shall become of that.
func wanted(c *cli.Context, client *operatorClient, action, operation string, in *userStep) error {
	would := *in
	if would.Dry = true; would.Reason == "" {
		would.Reason = ca.Unspecified.String()
	}
	var falls userGone
	if err := client.call(c.Context, operation, would, &falls); err != nil {
		return err
	}
	if !falls.any() {
		return nil
	}
	w, terminal := c.App.ErrWriter, term.IsTerminal(int(os.Stdin.Fd()))
	fmt.Fprintf(w, "What hangs on %s:\n", in.Name)
	falls.describe(w)
	// Without a certificate there is nothing that anyone could go on using.
	if c.Bool("keep") || in.Reason == "" && !terminal && falls.certificates() == 0 {
		fmt.Fprintln(w, "All of it stays as it is.")
		return nil
	}
	const script = "In a script, give --keep, or --revoke REASON and --yes."
	if in.Reason != "" {
		if c.Bool("yes") {
			return nil
		}
		return confirm(c, action, script)
	}
	if !terminal {
		return exit.With(exit.Usage, errors.New("what shall become of what hangs on "+in.Name+" is not said; nothing was changed"), script)
	}
	answer, err := askLine(c, "Type \"keep\" to leave all of that, or the reason to take it back for (cessationOfOperation, affiliationChanged, keyCompromise, …): ", script)
	if err != nil || answer == "keep" {
		return err
	}
	if _, err := lastingReason(answer); err != nil {
		return exit.With(exit.Failed, errNotConfirmed, "")
	}
	in.Reason = answer
	return nil
}

// print reports what was done.
func (g userGone) print(w io.Writer, action, reason string) {
	switch {
	case action == "remove":
		fmt.Fprintf(w, "Removed %s.\n", g.Name)
		if reason == "" {
			fmt.Fprintf(w, "Certificates stay in force: \"signetd cert list --user %s\" names them.\n", g.Name)
		}
	case g.Again:
		fmt.Fprintf(w, "%s was disabled already.\n", g.Name)
	default:
		fmt.Fprintf(w, "Disabled %s: no log-in, no enrollment.\n", g.Name)
	}
	if reason != "" {
		g.fallen.print(w)
	}
}
