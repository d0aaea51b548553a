package main

import (
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// The flags that several commands have. Each is also the environment variable
// SIGNET_ and its name, by [withEnv].

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
	return &cli.UintFlag{Name: "serial", Usage: "the card's serial `NUMBER`, where there are several"}
}

func slotFlag() cli.Flag {
	return &cli.StringFlag{Name: "slot", Value: "9a", Usage: "the card's `SLOT`: 9a, 9c, 9d, 9e, or 82 to 95"}
}

func profileFlag() cli.Flag {
	return &cli.StringFlag{Name: "profile", Usage: "the `PROFILE` to enroll for; the account's first where it is left out"}
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

// withEnv gives every flag its environment variable.
func withEnv(all []cli.Flag) []cli.Flag {
	for _, f := range all {
		env := []string{envName(f.Names()[0])}
		switch f := f.(type) {
		case *cli.StringFlag:
			f.EnvVars = env
		case *cli.BoolFlag:
			f.EnvVars = env
		case *cli.UintFlag:
			f.EnvVars = env
		case *cli.DurationFlag:
			f.EnvVars = env
		case *cli.StringSliceFlag:
			f.EnvVars = env
		}
	}
	return all
}

func envName(flag string) string {
	return "SIGNET_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// typed reports whether a flag's value stands on the command line, where other
// users of the machine may see it.
func typed(c *cli.Context, name string) bool {
	return c.IsSet(name) && os.Getenv(envName(name)) != c.String(name)
}
