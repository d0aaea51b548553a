package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
)

// report prints a result: as JSON with --json, else by what text does.
func report(c *cli.Context, v any, text func()) error {
	return command.Result(c, v, func(io.Writer) { text() })
}

func printf(c *cli.Context, format string, args ...any) { fmt.Fprintf(c.App.Writer, format, args...) }
