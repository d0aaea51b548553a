package command

import (
	"encoding/json"
	"io"

	"github.com/urfave/cli/v2"
)

// Result prints what a command found or did on stdout: v as JSON with --json, else
// what print says to people.
func Result(c *cli.Context, v any, print func(io.Writer)) error {
	if !c.Bool("json") {
		print(c.App.Writer)
		return nil
	}
	e := json.NewEncoder(c.App.Writer)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
