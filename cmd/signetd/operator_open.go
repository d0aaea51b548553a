package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"signet/ca"
	"signet/internal/exit"
	"signet/store/bolt"
)

// openOperator opens the store for one command and makes the operator on it. The
// caller closes its store. No key is opened: what is revoked here is on the CRL
// that the next "signetd serve" makes first of all.
func openOperator(ctx context.Context, conf *Config) (*operator, error) {
	issuer, err := sealedIssuer(conf)
	if err != nil {
		return nil, notYet(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	st, err := bolt.Open(conf.path(conf.Store), &bolt.Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	a, err := newAuthority(ctx, conf, parts{store: st, issuer: issuer, serials: ca.NewSerialSource(st), logger: logger}, nil)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	a.operator.published = nil // nobody here makes a CRL to wait for
	return a.operator, nil
}

func isLocked(err error) bool { return errors.Is(err, bolt.ErrLocked) }

func notYet(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return exit.With(exit.NotFound, err, "\"signetd init\" completes what is missing.")
	}
	return err
}
