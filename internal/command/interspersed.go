package command

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// interspersed puts a command's flags before its arguments, which the library
// wants: "code new alice --ttl 1h" becomes "code new --ttl 1h alice". What comes
// after "--" stays an argument.
func interspersed(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	out, rest := args[:1:1], args[1:]
	known, commands := app.Flags, app.Commands
	for len(rest) > 0 {
		// Flags of this level that stand before the next command's name.
		for len(rest) > 0 && isFlag(rest[0]) && rest[0] != "--" {
			n := min(flagLen(known, rest), len(rest))
			out, rest = append(out, rest[:n]...), rest[n:]
		}
		next := commandNamed(commands, rest)
		if next == nil {
			break
		}
		out, rest = append(out, rest[0]), rest[1:]
		known, commands = next.Flags, next.Subcommands
	}
	flags, arguments := split(known, rest)
	out = append(out, flags...)
	if len(arguments) > 0 && slices.ContainsFunc(arguments, isFlag) {
		out = append(out, "--")
	}
	return append(out, arguments...)
}

func split(known []cli.Flag, args []string) (flags, arguments []string) {
	for len(args) > 0 {
		switch {
		case args[0] == "--":
			return flags, append(arguments, args[1:]...)
		case isFlag(args[0]):
			n := flagLen(known, args)
			if n > len(args) { // its value is missing: it must not take an argument for it
				return append(flags, args...), nil
			}
			flags, args = append(flags, args[:n]...), args[n:]
		default:
			arguments, args = append(arguments, args[0]), args[1:]
		}
	}
	return flags, arguments
}

// isFlag: a lone "-" is an argument, stdin or stdout.
func isFlag(s string) bool { return len(s) > 1 && s[0] == '-' }

// flagLen is how many words the flag at the front of args is, with its value: 1 or 2.
func flagLen(known []cli.Flag, args []string) int {
	name := strings.TrimLeft(args[0], "-")
	if strings.Contains(name, "=") {
		return 1
	}
	for _, f := range known {
		d, ok := f.(cli.DocGenerationFlag)
		if ok && d.TakesValue() && slices.Contains(f.Names(), name) {
			return 2
		}
	}
	return 1
}

func commandNamed(commands []*cli.Command, args []string) *cli.Command {
	for _, c := range commands {
		if len(args) > 0 && c.HasName(args[0]) {
			return c
		}
	}
	return nil
}
