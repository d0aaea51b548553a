package main

import (
	"context"
	"time"
)

// runAuthority does the chores of the authority in force (CRLs, the OCSP
// signer) until ctx ends, and changes over when a reload brings another. The
// new one is in force before the old one's chores end, and makes a CRL as
// the first of its own: nothing revoked meanwhile is missed.
func (s *server) runAuthority(ctx context.Context, a *authority) error {
	for {
		running, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- a.revoking.Run(running) }()
		select {
		case err := <-ended:
			cancel()
			return err
		case a = <-s.swap:
			cancel()
			if err := <-ended; err != nil {
				return err
			}
		}
	}
}

// forgetEvery is how often what has expired is deleted from the store, and
// forgetAfter how long it is kept beyond, for clocks that were set back.
const (
	forgetEvery = 10 * time.Minute
	forgetAfter = time.Hour
)

// forget deletes nonces and unused codes that have expired, until ctx ends.
func (s *server) forget(ctx context.Context) error {
	for {
		if err := s.store.Forget(ctx, time.Now().Add(-forgetAfter)); err != nil && ctx.Err() == nil {
			s.logger.Error("what has expired can't be deleted; trying again", "error", err, "in", forgetEvery)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(forgetEvery):
		}
	}
}
