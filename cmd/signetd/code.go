package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
)

func codeCommand() *cli.Command {
	return command.Group("code", "one-time codes to enroll without a password", codeNew())
}

func codeNew() *cli.Command {
	return &cli.Command{
		Name: "new", Usage: "make a code with which USER may enroll once", ArgsUsage: "USER",
		Flags: reportFlags(
			&cli.StringFlag{Name: "ttl", Usage: "how long it is good, as `TIME`: \"24h\", \"7d\"", Value: "24h"},
			&cli.StringFlag{Name: "profile", Usage: "the `PROFILE` that it is good for (default: any that the account may have)"}),
		Action: func(c *cli.Context) error {
			args, err := command.Args(c, "USER")
			if err != nil {
				return err
			}
			ttl, err := command.Duration(c.String("ttl"))
			if err != nil {
				return command.Usage(c, "--ttl: %w", err)
			}
			var out newCode
			in := codeRequest{Account: args[0], Profile: c.String("profile"), TTLSeconds: int64(ttl.Seconds())}
			if err := operate(c, "code.new", in, &out); err != nil {
				return err
			}
			return report(c, out, func(w io.Writer) { out.print(w, c.App.ErrWriter) })
		},
	}
}

// print writes the code alone on stdout, for scripts, and what to do with it on stderr.
func (n newCode) print(out, talk io.Writer) {
	fmt.Fprintln(out, n.Code)
	fmt.Fprintf(talk, "\nThis code lets %s enroll once, until %s. It is shown only here. They plug in their card, run\n\n"+
		"  signet enroll --ca %s --fingerprint %s --code-file -\n\nand enter the code there.\n", n.Account, n.Expires.UTC().Format(timeFormat), n.CA, n.Fingerprint)
}
