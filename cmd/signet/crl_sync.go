package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
	"signet/internal/exit"
)

func crlSyncCommand() *cli.Command {
	return &cli.Command{
		Name:  "sync",
		Usage: "keep the CRL files of a server up to date, as a service",
		Description: "It fetches at each new CRL that the CA tells of, and at intervals; checks the server's\n" +
			"configuration with the new file, goes back to the old one if that fails, and reloads. Several CAs\n" +
			"are in a file; one may be given by flags:\n\n" +
			"  signet crl sync --config /etc/signet/crl.toml\n" +
			"  signet crl sync --url http://ca.example:8080 --ca-file chain.pem --out /etc/nginx/crl.pem \\\n" +
			"    --check \"nginx -t\" --reload \"systemctl reload nginx\"\n\n" +
			"SIGTERM or SIGINT ends it; SIGHUP makes it read configuration and CA certificates again.",
		Flags: flags(
			&cli.StringFlag{Name: "config", Usage: "the configuration `FILE`; no other flags then"},
			sourceFlags(), fileFlags(),
			&cli.DurationFlag{Name: "command-timeout", Usage: "give each of them up after `TIME`", Value: time.Minute},
			&cli.DurationFlag{Name: "poll", Usage: "fetch again after each `INTERVAL`, push or not", Value: time.Minute},
			&cli.BoolFlag{Name: "no-push", Usage: "don't listen to the CA's events"},
			&cli.StringFlag{Name: "metrics", Usage: "serve Prometheus metrics at `ADDRESS`: 127.0.0.1:9153"},
			&cli.StringFlag{Name: "health", Usage: "keep a health report in `FILE` (JSON)"},
			command.LogFlags()),
		Action: runCRLSync,
	}
}

func runCRLSync(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	if c.String("config") == "" {
		if err := needs(c, "url", "ca-file", "out"); err != nil {
			return err
		}
	}
	load := func() (*syncConfig, error) { return readSyncConfig(c) }
	conf, err := load()
	if err != nil {
		return exit.With(exit.Usage, err, "Each setting is documented in docs/server-operator.md.")
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	s, err := newSyncService(conf, c.App.ErrWriter)
	if err != nil {
		return err
	}
	s.version = c.App.Version
	return s.run(c.Context, hup, load)
}

// alone are the flags that stand for one [[crl]].
var alone = []string{"url", "ca-file", "out", "check", "reload", "command-timeout", "poll", "no-push"}

// readSyncConfig reads the file, or makes the same of the flags.
func readSyncConfig(c *cli.Context) (*syncConfig, error) {
	conf := &syncConfig{}
	if path := c.String("config"); path != "" {
		for _, name := range alone {
			if c.IsSet(name) {
				return nil, fmt.Errorf("--%s can't be given with --config", name)
			}
		}
		var err error
		if conf, err = loadSyncConfig(path); err != nil {
			return nil, err
		}
	} else {
		push := !c.Bool("no-push")
		conf.CRLs = []crlConfig{{
			URL: c.StringSlice("url"), CAFile: c.String("ca-file"), Out: c.String("out"),
			Check: c.String("check"), Reload: c.String("reload"), CommandTimeout: c.Duration("command-timeout"),
			Poll: c.Duration("poll"), Push: &push,
		}}
	}
	for name, setting := range map[string]*string{
		"metrics": &conf.Metrics, "health": &conf.Health, "log-format": &conf.Log.Format, "log-level": &conf.Log.Level,
	} {
		if c.IsSet(name) {
			*setting = c.String(name)
		}
	}
	return conf, conf.check()
}
