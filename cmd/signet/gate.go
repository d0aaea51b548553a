package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"signet/internal/command"
	"signet/internal/exit"
	"signet/internal/sdnotify"
	"signet/relying"
	"signet/relying/gate"
)

func gateCommand() *cli.Command {
	return &cli.Command{
		Name:  "gate",
		Usage: "tell Caddy, Traefik or nginx whether a visitor's certificate is good",
		Description: "It answers forward_auth, ForwardAuth and auth_request at /auth: 200 and headers that say who it\n" +
			"is, or 401 and 403 with a page that explains. The proxy asks for certificates without judging them, and\n" +
			"sets one header to the client's in every request. Several CAs are in a file; one may be given by flags:\n\n" +
			"  signet gate --config /etc/signet/gate.toml\n" +
			"  signet gate --url http://ca.example:8080 --ca-file chain.pem --mode optional\n\n" +
			"SIGTERM or SIGINT ends it.",
		Flags: flags(command.JSON(),
			&cli.StringFlag{Name: "config", Usage: "the configuration `FILE`; no other flags then, but for those of logs"},
			&cli.StringFlag{Name: "listen", Usage: "listen at `ADDRESS`: 127.0.0.1:9180 or unix:/run/signet-gate/gate.sock"},
			&cli.StringFlag{Name: "socket-mode", Usage: "who may connect to a socket: `MODE` 0660, owner and group; 0600, owner; 0666, anyone"},
			sourceFlags(),
			&cli.StringFlag{Name: "mode", Usage: "`MODE` required: 401 or 403 without a good certificate; optional: 200 all the same"},
			&cli.StringFlag{Name: "header", Usage: "the proxy puts the client's certificate in header `NAME` (X-Client-Cert)"},
			&cli.StringFlag{Name: "format", Usage: "in `FORMAT` pem, der, rfc9440, or auto"},
			&cli.StringFlag{Name: "user-header", Usage: "answer with the user in header `NAME` (Remote-User)"},
			&cli.StringFlag{Name: "user-from", Usage: "the user is the certificate's `NAME`: account, common-name, email or upn"},
			&cli.BoolFlag{Name: "fail-open", Usage: "let those in of whom nobody can say whether they are revoked; Client-Revocation is \"unchecked\" then"},
			&cli.StringFlag{Name: "ocsp", Usage: "ask OCSP `WHEN`: never, fallback, also or instead"},
			&cli.DurationFlag{Name: "poll", Value: 30 * time.Second, Usage: "look for CRLs after each `INTERVAL`, push or not"},
			&cli.StringFlag{Name: "state", Usage: "keep a copy of the CRLs in `FOLDER`, for a restart while the CA is down"},
			&cli.StringFlag{Name: "service", Usage: "the `NAME` of what visitors want to get into, for the page: \"the wiki\""},
			&cli.StringFlag{Name: "enroll", Usage: "the `URL` where they learn how to get a certificate"},
			&cli.StringFlag{Name: "contact", Usage: "the `URL` of who helps: mailto:help@example.com"},
			&cli.StringFlag{Name: "metrics", Usage: "serve Prometheus metrics at `ADDRESS`: 127.0.0.1:9181"},
			command.LogFlags()),
		Action: runGate,
	}
}

func runGate(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	if c.String("config") == "" {
		if err := needs(c, "url", "ca-file"); err != nil {
			return err
		}
	}
	const hint = "Each setting is documented in docs/commands.md."
	conf, err := readGateConfig(c)
	if err != nil {
		return exit.With(exit.Usage, err, hint)
	}
	logger := conf.Log.Logger(c.App.ErrWriter, conf.Log.Threshold())
	checker, err := conf.checker(logger)
	if err != nil {
		return exit.With(exit.Usage, err, hint)
	}
	answers, err := gate.New(conf.gateConfig(checker, logger))
	if err != nil {
		return exit.With(exit.Usage, err, hint)
	}
	server, err := listenGate(conf, answers, checker, logger)
	if err != nil {
		return err
	}
	return runGateService(c.Context, checker, server, logger)
}

// runGateService serves until ctx ends. It is ready at once: until the first CRL
// has come, nobody gets in.
func runGateService(ctx context.Context, checker *relying.Checker, server *gateServer, logger *slog.Logger) error {
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return checker.Run(running) })
	for s := server; s != nil; s = s.metrics {
		g.Go(func() error { return s.run(running) })
	}
	g.Go(func() error { sayWhenReady(running, checker, logger); return nil })
	g.Go(func() error { sdnotify.Watchdog(running, func() { _ = checker.Health() }); return nil })
	logger.Info("the gate is open for questions", "address", server.listener.Addr().String())
	notify(logger, sdnotify.Ready())
	err := g.Wait()
	notify(logger, sdnotify.Stopping)
	return err
}

func notify(logger *slog.Logger, state string) {
	if err := sdnotify.Notify(state); err != nil {
		logger.Warn(err.Error(), "state", state)
	}
}

// sayWhenReady: an operator looks at the log first.
func sayWhenReady(ctx context.Context, checker *relying.Checker, logger *slog.Logger) {
	wait, stop := context.WithTimeout(ctx, 15*time.Second)
	defer stop()
	if err := checker.Ready(wait); err != nil && ctx.Err() == nil {
		logger.Warn("certificates can't be checked yet", "error", err)
	}
}
