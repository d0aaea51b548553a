package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"
)

// report prints a result: as JSON with --json, else by what text does.
func report(c *cli.Context, v any, text func()) error {
	if !c.Bool("json") {
		text()
		return nil
	}
	out := json.NewEncoder(c.App.Writer)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

func printf(c *cli.Context, format string, args ...any) { fmt.Fprintf(c.App.Writer, format, args...) }
