package main

import (
	"context"
	"os"

	"signet/internal/sdnotify"
)

// reloads reads the configuration again at each SIGHUP, until ctx ends. One that
// is wrong is refused whole: the one in force stays so.
func (s *server) reloads(ctx context.Context, hup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
		}
		s.notify(sdnotify.Reloading())
		if err := s.reload(ctx); err != nil {
			s.logger.Error("the new configuration is refused; the old one stays in force", "error", err)
		} else {
			s.logger.Info("the new configuration is in force")
		}
		s.notify(sdnotify.Ready())
	}
}

func (s *server) reload(ctx context.Context) error {
	conf, err := s.load()
	if err != nil {
		return err
	}
	for _, setting := range s.keepFixed(conf) {
		s.logger.Warn("this setting takes a restart; it stays what it was", "setting", setting)
	}
	s.realAddresses(conf)
	next, err := newAuthority(ctx, conf, s.parts, s.current.Load())
	if err != nil {
		return err
	}
	if err := s.certificate.load(ctx, conf); err != nil {
		return err
	}
	if err := next.enforce(); err != nil {
		return err
	}
	s.conf = conf
	boundMemory(conf)
	s.level.Set(conf.Log.Threshold())
	s.current.Store(next)
	return nil
}

// keepFixed gives conf those settings of the one in force that a running server
// can't change, and names those that were to be changed.
func (s *server) keepFixed(conf *Config) (changed []string) {
	old := s.conf
	for _, f := range []struct {
		name     string
		was, now *string
	}{
		{"data_dir", &old.DataDir, &conf.DataDir},
		{"store", &old.Store, &conf.Store},
		{"password_file", &old.PasswordFile, &conf.PasswordFile},
		{"listen.https", &old.Listen.HTTPS, &conf.Listen.HTTPS},
		{"listen.http", &old.Listen.HTTP, &conf.Listen.HTTP},
		{"root.certificate", &old.Root.Certificate, &conf.Root.Certificate},
		{"root.crl", &old.Root.CRL, &conf.Root.CRL},
		{"intermediate.certificate", &old.Intermediate.Certificate, &conf.Intermediate.Certificate},
		{"intermediate.key", &old.Intermediate.Key, &conf.Intermediate.Key},
		{"log.format", &old.Log.Format, &conf.Log.Format},
	} {
		if *f.was != *f.now {
			changed = append(changed, f.name)
			*f.now = *f.was
		}
	}
	return changed
}
