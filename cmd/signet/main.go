// Signet is everything done away from the CA's host: "signet enroll" and
// "renew" at a YubiKey, "status" and "revoke" for what came of it, "card" for
// the card itself, "attest" for what it states, and "crl" and "gate" for a relying
// server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
)

// version is set when a release is built.
var version = "dev"

func main() { os.Exit(run()) }

// run gives a first Ctrl-C to the command, which ends at the next chance; a
// second one ends the program at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return command.Run(ctx, newApp(), os.Args)
}

func newApp() *cli.App {
	app := &cli.App{
		Name:                 "signet",
		Usage:                "certificates for keys that never leave a YubiKey",
		Version:              version,
		EnableBashCompletion: true,
		Writer:               os.Stdout,
		ErrWriter:            os.Stderr,
		Commands: []*cli.Command{
			enrollCommand(), renewCommand(), statusCommand(), revokeCommand(),
			cardCommand(), attestCommand(), crlCommand(), gateCommand(), caCommand(),
			versionCommand(), command.Completion("signet"),
		},
	}
	// Every action's error gets its exit code and hint in one place.
	eachCommand(app.Commands, func(c *cli.Command) {
		if action := c.Action; action != nil {
			c.Action = func(c *cli.Context) error { return explain(interrupted(c.Context, action(c))) }
		}
	})
	return app
}

func eachCommand(all []*cli.Command, do func(*cli.Command)) {
	for _, c := range all {
		do(c)
		eachCommand(c.Subcommands, do)
	}
}
