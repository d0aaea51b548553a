package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"signet/enroll"
	"signet/internal/command"
)

func pukCommand() *cli.Command {
	return command.Group("puk", "PUKs of cards that the CA keeps, and who asks for one",
		pukList(),
		pukDecide("approve", "let the account take its card's PUK, once, within 10 minutes"),
		pukDecide("deny", "end a request"),
		pukStatus(), pukRelease())
}

func pukList() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list who asks for a PUK, and what became of the requests of the last day", Flags: reportFlags(),
		Action: func(c *cli.Context) error {
			if _, err := command.Args(c); err != nil {
				return err
			}
			all := []enroll.PUKRequest{}
			if err := operate(c, "puk.list", none{}, &all); err != nil {
				return err
			}
			return report(c, all, func(w io.Writer) { printPUKRequests(w, all, time.Now()) })
		},
	}
}

func printPUKRequests(w io.Writer, all []enroll.PUKRequest, now time.Time) {
	if len(all) == 0 {
		fmt.Fprintln(w, "Nobody has asked for a PUK in the last day.")
		return
	}
	fmt.Fprintf(w, "%-7s %-10s %-16s %-9s %s\n", "number", "card", "account", "state", "reason")
	for _, r := range all {
		state := string(r.State)
		fmt.Fprintf(w, "%-7d %-10d %-16s %-9s %s\n", r.Number, r.Card, r.Account, state, orDash(r.Reason))
		if r.Alive() {
			fmt.Fprintf(w, "%7s asked %s, ends in %s\n", "", r.Created.Format(timeFormat), r.Expires.Sub(now).Round(time.Minute))
		}
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func pukDecide(verb, usage string) *cli.Command {
	return &cli.Command{
		Name: verb, Usage: usage, ArgsUsage: "NUMBER", Flags: reportFlags(),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "NUMBER")
			if err != nil {
				return err
			}
			number, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || number == 0 {
				return command.Usage(c, "%q is no request's number: \"signetd puk list\" has them", args[0])
			}
			var r enroll.PUKRequest
			if err := operate(c, "puk."+verb, pukNumber{number}, &r); err != nil {
				return err
			}
			return report(c, r, func(w io.Writer) { printDecided(w, r) })
		},
	}
}

func printDecided(w io.Writer, r enroll.PUKRequest) {
	if r.State == enroll.PUKDenied {
		fmt.Fprintf(w, "Request %d of %s is denied.\n", r.Number, r.Account)
		return
	}
	fmt.Fprintf(w, "Request %d is approved: %s may take the PUK of card %d, once, until %s.\n", r.Number, r.Account, r.Card, r.Expires.Format(timeFormat))
}

func pukStatus() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show what the CA keeps of a card's PUK, but not the PUK", ArgsUsage: "SERIAL", Flags: reportFlags(),
		Action: func(c *cli.Context) error {
			card, err := cardArg(c)
			if err != nil {
				return err
			}
			var all []keptPUK
			if err := operate(c, "puk.status", pukCard{Card: card}, &all); err != nil {
				return err
			}
			return report(c, all, func(w io.Writer) {
				for _, k := range all {
					k.print(w)
				}
			})
		},
	}
}

func cardArg(c *cli.Context) (uint32, error) {
	args, err := command.Args(c, "SERIAL")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil || n == 0 || n > math.MaxUint32 {
		return 0, command.Usage(c, "%q is no card's serial number", args[0])
	}
	return uint32(n), nil
}

func (k keptPUK) print(w io.Writer) {
	fmt.Fprintf(w, "Card %d, for %s:\n", k.Card, k.Account)
	switch {
	case k.Current == nil:
		fmt.Fprintln(w, "  PUK       none that the card is known to have")
	default:
		fmt.Fprintf(w, "  PUK       kept since %s, sealed to the key %s\n", k.Current.At.Format(timeFormat), k.Current.Key)
	}
	if n := len(k.Pending); n > 0 {
		fmt.Fprintf(w, "  pending   %d that the card may have: a client was cut off\n", n)
	}
	if k.Proven.IsZero() {
		fmt.Fprintln(w, "  proven    no: the account can't ask for it")
	} else {
		fmt.Fprintf(w, "  proven    %s, by an attestation\n", k.Proven.Format(timeFormat))
	}
	if !k.Released.IsZero() {
		fmt.Fprintf(w, "  released  %s, and NOT REPLACED since: who has it can still use it\n", k.Released.Format(timeFormat))
	}
	if k.Request != nil {
		fmt.Fprintf(w, "  request   number %d, %s\n", k.Request.Number, k.Request.State)
	}
}
