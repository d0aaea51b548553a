// Softcard runs a software YubiKey, for tests and for trying Signet out on a
// machine without one. It protects nothing: its keys lie in files.
//
//	softcard run --dir DIR            serve cards until SIGTERM
//	softcard exec --dir DIR -- CMD…   run a command with a card plugged in
//	softcard ctl --dir DIR touch      touch, unplug, break a running card
//	softcard root --dir DIR           print the root of its attestations
//
// Programs that use libpcsclite find the cards by PCSCLITE_CSOCK_NAME, whose
// value run prints and exec sets.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"
)

// Exit codes; exec gives its command's.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newApp().RunContext(ctx, args)
	if err == nil {
		return 0
	}
	var code cli.ExitCoder
	if errors.As(err, &code) {
		if text := code.Error(); text != "" {
			fmt.Fprintln(os.Stderr, "softcard:", text)
		}
		return code.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "softcard:", err)
	return exitFailed
}

func newApp() *cli.App {
	return &cli.App{
		Name:            "softcard",
		Usage:           "a software YubiKey, for tests (it protects nothing)",
		HideHelpCommand: true,
		ExitErrHandler:  func(*cli.Context, error) {}, // run decides
		OnUsageError:    usageError,
		Commands:        []*cli.Command{runCommand(), execCommand(), ctlCommand(), rootCommand()},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("there is no command %q", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
}

func usageError(_ *cli.Context, err error, _ bool) error { return usagef("%v", err) }

func usagef(format string, args ...any) error {
	return cli.Exit(fmt.Sprintf(format, args...), exitUsage)
}
