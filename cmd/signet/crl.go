package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"signet/internal/certfile"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/revocation/agent"
)

func crlCommand() *cli.Command {
	return command.Group("crl", "keep a server's CRL files up to date", crlSyncCommand(), crlFetchCommand(), crlStatusCommand())
}

func crlFetchCommand() *cli.Command {
	return &cli.Command{
		Name:  "fetch",
		Usage: "fetch the CRLs of every level into the file that nginx, Apache or HAProxy reads",
		Description: "The file is replaced in one step, and only by CRLs that are signed, in force and no older\n" +
			"than those in place; whatever fails leaves it as it was. Example:\n\n" +
			"  signet crl fetch --url http://ca.example:8080/crl/bundle.pem --ca-file chain.pem \\\n" +
			"    --out /etc/nginx/crl.pem --reload \"systemctl reload nginx\" --every 30s",
		Flags: flags(command.JSON(), sourceFlags(), fileFlags(),
			&cli.DurationFlag{Name: "every", DefaultText: "once", Usage: "go on, and fetch again after each `INTERVAL`"}),
		Action: runCRLFetch,
	}
}

func runCRLFetch(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	if err := needs(c, "url", "ca-file", "out"); err != nil {
		return err
	}
	if c.String("out") == "-" {
		return command.Usage(c, "--out is a file: it is replaced only by newer CRLs than it holds, which stdout can't tell")
	}
	if every := c.Duration("every"); c.IsSet("every") && every < time.Second {
		return command.Usage(c, "--every is a second at least")
	}
	urls := c.StringSlice("url")
	for i := range urls {
		var err error
		if urls[i], err = crlURL(urls[i]); err != nil {
			return command.Usage(c, "%w", err)
		}
	}
	cas, err := readCAs(c.String("ca-file"))
	if err != nil {
		return err
	}
	cfg := agent.Config{
		SourceConfig: agent.SourceConfig{
			URLs: urls, CAs: cas,
			Logger: logger(c, slog.LevelWarn), // the report says the rest
		},
		Path: c.String("out"), Check: c.String("check"), Reload: c.String("reload"),
	}
	if c.IsSet("every") {
		cfg.Logger = logger(c, slog.LevelInfo)
		return fetchEvery(c, cfg)
	}
	result, err := agent.Fetch(c.Context, cfg)
	if err != nil {
		return err
	}
	return reportFetched(c, cfg, result)
}

func logger(c *cli.Context, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.App.ErrWriter, &slog.HandlerOptions{Level: level}))
}

func readCAs(name string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, exit.With(exit.NotFound, fmt.Errorf("reading the CA certificates: %w", err), "It is the chain file that the server itself trusts.")
	}
	cas, err := certfile.Parse(data)
	if err != nil {
		return nil, exit.With(exit.Failed, fmt.Errorf("reading the CA certificates of %s: %w", name, err),
			"It is PEM with the certificate of every level: the chain file that the server itself trusts.")
	}
	return cas, nil
}

func reportFetched(c *cli.Context, cfg agent.Config, result *agent.Result) error {
	return report(c, result, func() {
		word := "unchanged"
		if result.Changed {
			word = "changed"
		}
		printf(c, "%s: %s, good until %s\n", cfg.Path, word, result.NextUpdate.UTC().Format(time.RFC3339))
		for _, l := range result.Levels {
			printf(c, "  %s: number %s, %d revoked\n", l.Issuer, l.Number, l.Entries)
		}
	})
}

// fetchEvery goes on until it is stopped: a fetch that failed is reported, and
// made again at the next turn; one that changed nothing is not.
func fetchEvery(c *cli.Context, cfg agent.Config) error {
	file, err := agent.Open(cfg)
	if err != nil {
		return err
	}
	defer file.Close()
	tick := time.NewTicker(c.Duration("every"))
	defer tick.Stop()
	for {
		result, err := file.Fetch(c.Context)
		if err == nil && result.Changed {
			err = reportFetched(c, cfg, result)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			command.Report(c.App.ErrWriter, explain(err), c.Bool("json"), c.App.Name)
		}
		if status, ok := errors.AsType[*agent.StatusError](err); ok {
			pause(c.Context, status.After)
		}
		select {
		case <-tick.C:
		case <-c.Context.Done():
			return nil
		}
	}
}

// pause obeys a Retry-After.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
