package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
)

// The flags that several commands have. Each is also an environment variable:
// [command.Variable].

func caFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "ca", Usage: "the CA's `URL`; the one used last where it is left out"},
		&cli.StringFlag{Name: "fingerprint", Usage: "the SHA-256 of the CA's root in `HEX`, for the first contact with a CA"},
	}
}

func userFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "user", Usage: "the account's `NAME`"},
		&cli.StringFlag{Name: "password-file", Usage: "read the account's password from `FILE`; - is stdin"},
	}
}

func codeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "code", Usage: "a one-time enrollment `CODE`; other users of this machine may see it here: prefer --code-file"},
		&cli.StringFlag{Name: "code-file", Usage: "read a one-time enrollment code from `FILE`; - is stdin"},
	}
}

func pinFlag() cli.Flag {
	return &cli.StringFlag{Name: "pin-file", Usage: "read the card's PIN from `FILE`; for a card with the factory's PIN, the new one"}
}

func pinFlags() []cli.Flag {
	return []cli.Flag{
		pinFlag(),
		&cli.StringFlag{Name: "puk-file", Usage: "read the new PUK from `FILE`, for a card with the factory's"},
	}
}

func serialFlag() cli.Flag {
	return &cli.UintFlag{Name: "serial", DefaultText: "the only one", Usage: "the card's serial `NUMBER`, where there are several"}
}

func slotFlag() cli.Flag {
	return &cli.StringFlag{Name: "slot", Value: "9a", Usage: "the card's `SLOT`: 9a, 9c, 9d, 9e, or 82 to 95"}
}

func profileFlag() cli.Flag {
	return &cli.StringFlag{Name: "profile", Usage: "the `PROFILE` to enroll for; the account's first where it is left out"}
}

// sourceFlags say where the CRLs of a CA come from.
func sourceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "url", Usage: "the `URL` of the CA, of its CRL bundle, or of each level's CRL"},
		&cli.StringFlag{Name: "ca-file", Usage: "the certificates of every level, in `FILE` (PEM)"},
	}
}

// fileFlags say where they go, and what the server is to do then.
func fileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "out", Usage: "the `FILE` that the server reads (PEM)"},
		&cli.StringFlag{Name: "check", Usage: "the server's own check of its configuration, a `COMMAND` for sh; the old file comes back if it fails"},
		&cli.StringFlag{Name: "reload", Aliases: []string{"run"}, EnvVars: []string{command.Variable("reload"), command.Variable("run")},
			Usage: "reload the server by `COMMAND`, run by sh when the file has changed"},
	}
}

// needs refuses a command line that lacks one of those flags.
func needs(c *cli.Context, names ...string) error {
	for _, name := range names {
		if !c.IsSet(name) || name != "url" && c.String(name) == "" {
			return command.Usage(c, "--%s is missing", name)
		}
	}
	return nil
}

func flags(groups ...any) []cli.Flag {
	var all []cli.Flag
	for _, g := range groups {
		switch g := g.(type) {
		case cli.Flag:
			all = append(all, g)
		case []cli.Flag:
			all = append(all, g...)
		}
	}
	return all
}

// typed reports whether a flag's value stands on the command line, where other
// users of the machine may see it.
func typed(c *cli.Context, name string) bool {
	return c.IsSet(name) && os.Getenv(command.Variable(name)) != c.String(name)
}
