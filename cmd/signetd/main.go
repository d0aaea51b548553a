// Signetd is the CA server and its operator's commands: "signetd init" makes a
// CA, "signetd serve" runs it, "signetd user", "code", "card" and "cert" work on
// it whether it runs or not, "signetd root" needs the root's key.
package main

import (
	"context"
	"os"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
)

// version is set when a release is built.
var version = "dev"

func main() { os.Exit(run()) }

func run() int { return command.Run(context.Background(), newApp(), os.Args) }

func newApp() *cli.App {
	return &cli.App{
		Name:                 "signetd",
		Usage:                "a private certificate authority and its enrollment service",
		Version:              version,
		EnableBashCompletion: true,
		Writer:               os.Stdout,
		ErrWriter:            os.Stderr,
		Commands: []*cli.Command{
			initCommand(), serveCommand(),
			userCommand(), codeCommand(), cardCommand(), certCommand(), revokeCommand(),
			escrowCommand(), pukCommand(),
			planCommand(), auditCommand(), rootCommand(), configCommand(),
			command.Completion("signetd"),
		},
	}
}
