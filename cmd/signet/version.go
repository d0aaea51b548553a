package main

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
	"signet/piv"
	"signet/piv/yubikey"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "show the version, and whether this build can use cards",
		Flags: flags(command.JSON()),
		Action: func(c *cli.Context) error {
			// A context that has ended keeps it from looking for a card.
			ended, cancel := context.WithCancel(c.Context)
			cancel()
			_, err := yubikey.List(ended)
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				Cards   bool   `json:"cards"`
			}{Version: version, Cards: !errors.Is(err, piv.ErrNoSupport)}
			if info, ok := debug.ReadBuildInfo(); ok {
				v.Go = info.GoVersion
			}
			return report(c, v, func() {
				support := "with card support"
				if !v.Cards {
					support = "without card support"
				}
				printf(c, "signet %s (%s), %s\n", v.Version, v.Go, support)
			})
		},
	}
}
