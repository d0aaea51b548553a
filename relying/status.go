package relying

import (
	"context"
	"fmt"
	"time"
)

// A Level is what is in force of one CA, for health checks and metrics.
type Level struct {
	Issuer     string    `json:"issuer"`           // the CA's subject
	Number     string    `json:"number,omitempty"` // decimal, the delta's where there is one; "" without a CRL
	Base       string    `json:"base,omitempty"`   // the complete CRL's, where there is a delta
	ThisUpdate time.Time `json:"this_update,omitzero"`
	NextUpdate time.Time `json:"next_update,omitzero"`
	Entries    int       `json:"entries"` // of both
}

// Levels are the CRLs in force, in the order of the certificates in [Config].
func (c *Checker) Levels() []Level {
	var out []Level
	for _, l := range c.levels {
		level := Level{Issuer: l.name()}
		if s := l.now.Load(); s != nil {
			level.Number, level.ThisUpdate, level.NextUpdate = s.number().String(), s.complete.ThisUpdate, s.until()
			level.Entries = s.complete.Entries
			if s.delta != nil {
				level.Base, level.ThisUpdate = s.complete.Number.String(), s.delta.ThisUpdate
				level.Entries += s.delta.Entries
			}
		}
		out = append(out, level)
	}
	return out
}

// Health fails where a level has no CRL in force: whoever comes is then refused,
// or let in unchecked, unless OCSP is asked.
func (c *Checker) Health() error {
	now := c.config.Now()
	for _, l := range c.levels {
		switch s := l.now.Load(); {
		case s == nil:
			return fmt.Errorf("there is no CRL of %q yet", l.name())
		case !s.until().After(now):
			return fmt.Errorf("the CRL of %q ran out at %s", l.name(), s.until().UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// Ready waits until every level has a CRL in force, or ctx ends; it returns what
// [Checker.Health] says then. Somebody must be in [Checker.Run].
func (c *Checker) Ready(ctx context.Context) error {
	turn := time.NewTicker(20 * time.Millisecond)
	defer turn.Stop()
	for {
		err := c.Health()
		if err == nil {
			return nil
		}
		select {
		case <-turn.C:
		case <-ctx.Done():
			return err
		}
	}
}
