package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/sync/errgroup"

	"signet/internal/atomicfile"
	"signet/internal/sdnotify"
	"signet/revocation/agent"
)

// A syncService is "signet crl sync" as it runs.
type syncService struct {
	errors  io.Writer
	version string
	conf    *syncConfig
	duty    *duty // what the configuration in force has made
}

// A duty is the time of one configuration: its files are held by this process.
type duty struct {
	logger  *slog.Logger
	files   []*agent.File
	keepers []*agent.Keeper
	health  *health
	metrics *metricsServer // nil for none
}

// newSyncService takes the files, so that a mistake is known before anything begins.
func newSyncService(conf *syncConfig, errors io.Writer) (*syncService, error) {
	t, err := newDuty(conf, errors)
	return &syncService{errors: errors, conf: conf, duty: t}, err
}

func newDuty(conf *syncConfig, w io.Writer) (*duty, error) {
	t := &duty{logger: conf.Log.Logger(w, conf.Log.Threshold())}
	if err := t.open(conf); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *duty) open(conf *syncConfig) (err error) {
	t.health = &health{path: conf.Health, logger: t.logger}
	if err := t.health.prepare(); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	var turns *agent.Turns // nothing waits where there is one file
	if len(conf.CRLs) > 1 {
		turns = &agent.Turns{}
	}
	for i := range conf.CRLs {
		if err := t.add(&conf.CRLs[i], turns); err != nil {
			return fmt.Errorf("%s: %w", conf.CRLs[i].Name, err)
		}
	}
	t.health.keepers = t.keepers
	t.health.tidy()
	if conf.Metrics != "" {
		if t.metrics, err = newMetricsServer(conf.Metrics, t.health); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
		t.logger.Info("metrics", "url", "http://"+t.metrics.listener.Addr().String()+"/metrics")
	}
	return nil
}

func (t *duty) add(c *crlConfig, turns *agent.Turns) error {
	conf, err := c.agentConfig(t.logger)
	if err != nil {
		return err
	}
	keeper, err := c.keeperConfig()
	if err != nil {
		return err
	}
	conf.Turns = turns
	file, err := agent.Open(conf)
	if err != nil {
		return err
	}
	t.files = append(t.files, file)
	t.keepers = append(t.keepers, agent.NewKeeper(file, keeper))
	return nil
}

func (t *duty) close() {
	for _, f := range t.files {
		_ = f.Close()
	}
	if t.metrics != nil {
		_ = t.metrics.listener.Close()
	}
}

// run keeps the files until ctx ends.
func (t *duty) run(ctx context.Context) error {
	defer t.close()
	g, ctx := errgroup.WithContext(ctx)
	for _, k := range t.keepers {
		g.Go(func() error { return k.Run(ctx) })
	}
	g.Go(func() error { return t.health.run(ctx) })
	if t.metrics != nil {
		g.Go(func() error { return t.metrics.run(ctx) })
	}
	g.Go(func() error {
		sdnotify.Watchdog(ctx, func() { t.health.report() })
		return nil
	})
	g.Go(func() error {
		for _, k := range t.keepers {
			select {
			case <-k.Ready():
			case <-ctx.Done():
				return nil
			}
		}
		t.notify(sdnotify.Ready())
		return nil
	})
	return g.Wait()
}

func (t *duty) notify(state string) {
	if err := sdnotify.Notify(state); err != nil {
		t.logger.Warn(err.Error(), "state", state)
	}
}

// run serves duty after duty, until ctx ends.
func (s *syncService) run(ctx context.Context, hup <-chan os.Signal, load func() (*syncConfig, error)) error {
	for ctx.Err() == nil {
		s.duty.health.version = s.version
		s.duty.logger.Info("keeping CRLs up to date", "files", len(s.duty.files))
		next, err := s.until(ctx, hup, load)
		if err != nil || next == nil {
			return err
		}
		if err := s.change(next); err != nil {
			return err
		}
	}
	s.duty.close()
	return nil
}

// until runs the duty to its end: a configuration to follow, or ctx's end.
func (s *syncService) until(ctx context.Context, hup <-chan os.Signal, load func() (*syncConfig, error)) (next *syncConfig, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	t := s.duty
	go func() { ended <- t.run(running) }()
	for next == nil {
		select {
		case <-ctx.Done():
			t.notify(sdnotify.Stopping)
			t.logger.Info("stopping")
			return nil, <-ended
		case err := <-ended:
			return nil, err
		case <-hup:
		}
		if next, err = load(); err == nil {
			err = next.readable()
		}
		if err != nil {
			next = nil
			t.logger.Error("the new configuration is refused; the old one stays in force", "error", err)
		}
	}
	t.notify(sdnotify.Reloading())
	stop()
	return next, <-ended
}

// readable reads all that the configuration names, and sees whether its files can be
// files, before the duty in force is ended.
func (c *syncConfig) readable() error {
	errs := []error{(&health{path: c.Health}).prepare()}
	for i := range c.CRLs {
		_, err := c.CRLs[i].agentConfig(nil)
		_, notFile := atomicfile.Target(c.CRLs[i].Out)
		errs = append(errs, err, notFile)
	}
	return errors.Join(errs...)
}

// change puts next into force, or else the configuration of before again.
func (s *syncService) change(next *syncConfig) error {
	t, err := newDuty(next, s.errors)
	if err == nil {
		s.conf, s.duty = next, t
		t.logger.Info("the new configuration is in force")
		return nil
	}
	s.duty.logger.Error("the new configuration is refused; the old one stays in force", "error", err)
	s.duty, err = newDuty(s.conf, s.errors)
	return err
}
