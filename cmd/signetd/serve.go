package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/urfave/cli/v2"

	"signet/ca"
	"signet/internal/command"
	"signet/internal/exit"
	"signet/store/bolt"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "run the CA",
		Description: "SIGTERM or SIGINT ends it once the requests under way are answered; a second one ends it\n" +
			"at once. SIGHUP makes it read its configuration again.",
		Flags: slices.Concat(placeFlags(), []cli.Flag{passwordFileFlag(),
			&cli.StringFlag{Name: "https", Usage: "`ADDRESS` of the listener for people and enrollment"},
			&cli.StringFlag{Name: "http", Usage: "`ADDRESS` of the listener for CRLs and OCSP"},
			&cli.StringFlag{Name: "ready-file", Usage: "write the listeners' addresses as JSON to `FILE` when the server is ready"},
		}, command.LogFlags()),
		Action: serveAction,
	}
}

func serveAction(c *cli.Context) error {
	if _, err := command.Args(c); err != nil {
		return err
	}
	conf, err := config(c)
	if err != nil {
		return err
	}
	boundMemory(conf)
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGTERM, syscall.SIGINT)
	// The first signal asks, the second is the system's own: it ends the process.
	context.AfterFunc(ctx, stop)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	s, err := openServer(ctx, conf)
	if err != nil {
		return err
	}
	s.load = func() (*Config, error) { return config(c) }
	s.readyFile = c.String("ready-file")
	return errors.Join(s.run(ctx, hup), s.store.Close())
}

// openServer opens the store, then the keys: a second server on the same store
// is told so before it is asked for a passphrase.
func openServer(ctx context.Context, conf *Config) (_ *server, err error) {
	s := &server{conf: conf, level: &slog.LevelVar{}}
	s.level.Set(conf.Log.Threshold())
	s.parts.logger = conf.Log.Logger(os.Stderr, s.level)
	if !exists(conf.path(conf.Intermediate.Certificate)) {
		return nil, exit.With(exit.NotFound, fmt.Errorf("there is no CA in %s", conf.DataDir),
			"Make one with \"signetd init --dir "+quoted(conf.DataDir)+"\".")
	}
	st, err := bolt.Open(conf.path(conf.Store), &bolt.Options{Logger: s.logger})
	if isLocked(err) {
		return nil, exit.With(exit.Failed, err, "One store is one server's: stop that one, or give this one a folder of its own with --dir.")
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	s.parts.store = st
	keys, err := openKeys(ctx, conf)
	if err != nil {
		return nil, err
	}
	s.parts.issuer = keys.issuer
	s.setEscrow(keys)
	if keys.ocsp.Certificate != nil && s.stands(ctx, keys.ocsp.Certificate) {
		s.parts.ocsp = keys.ocsp
	}
	s.parts.serials = ca.NewSerialSource(st)
	s.certificate = &serverCertificate{parts: s.parts, key: keys.server}
	return s, nil
}

// setEscrow says which escrow key there is, and what is amiss without one.
func (s *server) setEscrow(keys *keyring) {
	s.parts.escrow = keys.escrow
	switch {
	case keys.escrow != nil:
		s.logger.Info("PUKs are kept", "escrow_key", keys.escrow.Public().ID())
	case keys.escrowErr != nil:
		s.logger.Error("the escrow key can't be opened: no PUK is kept or released, and profiles with puk_escrow are refused", "error", keys.escrowErr)
	case s.conf.escrowWanted() != "":
		s.logger.Error("there is no escrow key: profiles with puk_escrow are refused", "hint", "signetd escrow init, or restore "+escrowKey)
	}
}

// memoryGoal is how much memory the Go runtime works to stay within, in octets:
// with it, the whole process stays below 39 MiB under 32 busy clients. It is
// no bound: where there is more to hold, the collector just works harder.
const memoryGoal = 23 << 20

// collectAt is by how many percent of what is in use the heap grows before garbage is
// collected. So little is in use that the runtime's own 100 means a hundred
// collections a second under load, and a tenth of the processor's time. The goal
// holds all the same.
const collectAt = 300

// boundMemory sets the goal, with room for the OCSP answers that may be kept beyond
// the default, and half as much again for the collector to work in: it can't free
// what is kept.
func boundMemory(conf *Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		more := max(0, conf.OCSP.Memory-defaultConfig().OCSP.Memory)
		debug.SetMemoryLimit(memoryGoal + int64(more+more/2))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}
