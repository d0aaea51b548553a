// Package command is what both programs' command lines have in common: flags
// may stand after arguments or in the environment (SIGNET_<FLAG>), every usage
// error exits with 2, and an error is one sentence on stderr with a hint below
// it, or a JSON object with --json.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"signet/internal/exit"
	"signet/internal/problem"
)

// JSON is the flag of every command that reports: its result on stdout and its
// error on stderr are JSON.
func JSON() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON, errors too"}
}

// LogFlags are the flags over the section [log] of a configuration file.
func LogFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-format", Usage: "log in `FORMAT` text or json"},
		&cli.StringFlag{Name: "log-level", Usage: "log from `LEVEL` on: debug, info, warn or error"},
	}
}

// Run runs app with args, the program's name first, reports its error on
// app.ErrWriter, and returns the exit code of package exit.
func Run(ctx context.Context, app *cli.App, args []string) int {
	prepare(app)
	err := app.RunContext(ctx, interspersed(app, args))
	if err != nil {
		Report(app.ErrWriter, err, wantsJSON(args, os.Getenv), app.Name)
	}
	return exit.CodeOf(err)
}

// failure is an error in JSON.
type failure struct {
	Error    string `json:"error"`
	Hint     string `json:"hint,omitempty"`
	Code     int    `json:"code"` // the exit code
	Rule     string `json:"rule,omitempty"`
	Instance string `json:"request_id,omitempty"`
}

// ruled is an error that knows the rule it is by.
type ruled interface {
	error
	RuleName() string
}

// Report writes err as a person or, with asJSON, a program reads it.
func Report(w io.Writer, err error, asJSON bool, program string) {
	f := failure{Error: err.Error(), Hint: exit.HintOf(err), Code: exit.CodeOf(err)}
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		f.Rule, f.Instance = p.Rule, p.Instance
		if f.Hint == "" {
			f.Hint = p.Hint
		}
	}
	if r, ok := errors.AsType[ruled](err); ok && f.Rule == "" {
		f.Rule = r.RuleName()
	}
	if asJSON {
		_ = json.NewEncoder(w).Encode(f)
		return
	}
	fmt.Fprintf(w, "%s: %s\n", program, f.Error)
	if f.Hint != "" {
		fmt.Fprintf(w, "  %s\n", f.Hint)
	}
}

// Usage is a wrong command line.
func Usage(c *cli.Context, format string, args ...any) error {
	name := c.Command.HelpName // "signetd user add"
	if name == "" {
		name = c.App.Name
	}
	return exit.With(exit.Usage, fmt.Errorf(format, args...), "Try \""+name+" --help\".")
}

// Args returns the command's arguments, which must be as many as there are names.
func Args(c *cli.Context, names ...string) ([]string, error) {
	got := c.Args().Slice()
	switch {
	case len(got) < len(names):
		return nil, Usage(c, "%s is missing", names[len(got)])
	case len(got) > len(names):
		return nil, Usage(c, "%q is one argument too many", got[len(names)])
	}
	return got, nil
}

// Group is a command that only has subcommands.
func Group(name, usage string, sub ...*cli.Command) *cli.Command {
	return &cli.Command{Name: name, Usage: usage, Subcommands: sub}
}

// prepare makes every command of app answer a usage error the same way, and
// keeps the library from exiting by itself.
func prepare(app *cli.App) {
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = usageError
	app.HideHelpCommand = true
	if app.Action == nil {
		app.Action = groupAction
	}
	var walk func([]*cli.Command)
	walk = func(all []*cli.Command) {
		for _, c := range all {
			c.OnUsageError = usageError
			fromEnvironment(c.Flags)
			offByDefault(c.Flags)
			// A "help" subcommand would take the place of an argument of that name.
			c.HideHelpCommand = true
			if c.Action == nil {
				c.Action = groupAction
			}
			walk(c.Subcommands)
		}
	}
	walk(app.Commands)
}

// offByDefault keeps "(default: false)" out of the help.
func offByDefault(flags []cli.Flag) {
	for _, f := range flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = !b.Value
		}
	}
}

func usageError(c *cli.Context, err error, _ bool) error { return Usage(c, "%w", err) }

// groupAction shows the help of a command that has only subcommands.
func groupAction(c *cli.Context) error {
	if c.Args().Present() {
		return Usage(c, "there is no command %q", c.Args().First())
	}
	if c.Command.Name == c.App.Name || len(c.Command.Subcommands) == 0 {
		return cli.ShowAppHelp(c)
	}
	return cli.ShowSubcommandHelp(c)
}
