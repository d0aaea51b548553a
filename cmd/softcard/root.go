package main

import (
	"os"

	"github.com/urfave/cli/v2"
)

func rootCommand() *cli.Command {
	return &cli.Command{
		Name:         "root",
		Usage:        "print the root certificate of the cards' attestations, in PEM",
		OnUsageError: usageError,
		Flags:        []cli.Flag{dirFlag()},
		Action:       printRoot,
	}
}

func printRoot(c *cli.Context) error {
	d, err := openDir(c)
	if err != nil {
		return err
	}
	r, err := d.root()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(r.PEM())
	return err
}
