package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
)

func configCommand() *cli.Command {
	return command.Group("config", "the configuration", &cli.Command{
		Name: "check", Usage: "read the configuration as the server would, and say what is wrong with it",
		Flags: reportFlags(),
		Action: func(c *cli.Context) error {
			if _, err := command.Args(c); err != nil {
				return err
			}
			conf, err := config(c)
			if err != nil {
				return err
			}
			out := configChecked{Config: configPath(c), Status: "ok"}
			if err := conf.checkEscrow(); err != nil {
				out.Warnings = append(out.Warnings, err.Error())
			}
			return report(c, out, func(w io.Writer) { out.print(w) })
		},
	})
}

// configChecked is what "config check" prints of a configuration that a server takes.
type configChecked struct {
	Config   string   `json:"config"`
	Status   string   `json:"status"`
	Warnings []string `json:"warnings,omitempty"`
}

func (c configChecked) print(w io.Writer) {
	fmt.Fprintf(w, "%s is right\n", c.Config)
	for _, warning := range c.Warnings {
		fmt.Fprintf(w, "Warning: %s\n", warning)
	}
}
