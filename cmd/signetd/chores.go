package main

import (
	"context"
	"time"
)

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
