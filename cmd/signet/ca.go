package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
	"signet/internal/exit"
)

func caCommand() *cli.Command {
	return command.Group("ca", "the CAs that are trusted",
		&cli.Command{
			Name: "list", Usage: "list the CAs that are remembered, the one used last first",
			Flags: flags(command.JSON()),
			Action: func(c *cli.Context) error {
				known, err := loadAuthorities()
				if err != nil {
					return err
				}
				out := append([]authority{}, known.all...)
				return report(c, out, func() {
					for _, au := range out {
						printf(c, "%s  %s\n", au.URL, au.Fingerprint)
					}
				})
			},
		},
		&cli.Command{
			Name: "forget", Usage: "trust a CA no longer", ArgsUsage: "URL",
			Flags: flags(command.JSON()), Action: runForget,
		})
}

func runForget(c *cli.Context) error {
	args, err := command.Args(c, "URL")
	if err != nil {
		return err
	}
	url, err := canonical(args[0])
	if err != nil {
		return err
	}
	known, err := loadAuthorities()
	if err != nil {
		return err
	}
	ok, err := known.forget(url)
	if err == nil && !ok {
		err = exit.With(exit.NotFound, fmt.Errorf("no CA %s is remembered", url), "\"signet ca list\" shows them.")
	}
	if err != nil {
		return err
	}
	return report(c, map[string]string{"forgotten": url}, func() { printf(c, "Forgotten: %s\n", url) })
}
