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
			if _, err := config(c); err != nil {
				return err
			}
			path := configPath(c)
			return report(c, map[string]string{"config": path, "status": "ok"}, func(w io.Writer) { fmt.Fprintf(w, "%s is right\n", path) })
		},
	})
}
