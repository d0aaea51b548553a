package relying

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"signet/revocation/agent"
	"signet/revocation/crl"
)

// A feed is the CRLs that are fetched together: those of one level, or of
// several in one bundle. Its fields belong to the goroutine that fetches.
type feed struct {
	*Config
	source *agent.Source
	levels []*level // in the order of source's CAs
	copies *copies

	set  *agent.Set
	tags map[string]string // of deltas, by URL
	// deltasAt is when deltas are tried again after one could not be fetched.
	deltasAt time.Time
}

func newFeed(c *Config, urls []string, levels []*level, kept *copies) (*feed, error) {
	f := &feed{Config: c, levels: levels, copies: kept, tags: map[string]string{}, set: &agent.Set{}}
	var cas []*x509.Certificate
	for _, l := range levels {
		cas = append(cas, l.ca)
		complete := kept.load(l)
		f.set.Lists = append(f.set.Lists, complete)
	}
	var err error
	f.source, err = agent.NewSource(agent.SourceConfig{
		URLs: urls, CAs: cas, HTTP: c.HTTP, MaxBytes: c.MaxBytes, Slack: c.Slack, Logger: c.Logger, Now: c.Now,
	})
	return f, err
}

// fetch brings the levels up to date: by their deltas where that is enough, or
// else by the complete lists.
func (f *feed) fetch(ctx context.Context) error {
	if f.fetchDeltas(ctx) {
		return nil
	}
	next, err := f.source.Fetch(ctx, f.set)
	if err != nil {
		err = fmt.Errorf("fetching CRLs: %w", err)
	}
	if next == nil {
		return err
	}
	f.set = next
	for i, l := range f.levels {
		if list := next.Lists[i]; l.setComplete(list) {
			f.Logger.Info("a CRL is in force", "issuer", l.name(), "number", list.Number.String(),
				"entries", list.Entries, "until", list.NextUpdate.UTC().Format(time.RFC3339))
			f.copies.saveComplete(l, list)
		}
	}
	return err
}

// until is when the first CRL of the feed runs out, for a log: from then on
// everybody is refused, or let in unchecked.
func (f *feed) until() string {
	var first time.Time
	for _, l := range f.levels {
		s := l.now.Load()
		if s == nil {
			return "there is none yet"
		}
		if until := s.until(); first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first.UTC().Format(time.RFC3339)
}

// usable reports whether a complete list can still be the base of deltas: it
// announces them, and has more than a third of its time left. The last third is for
// seeing to it that a next one comes, whatever deltas do.
func usable(complete *crl.List, now time.Time) bool {
	whole := complete.NextUpdate.Sub(complete.ThisUpdate)
	return len(complete.Freshest) > 0 && complete.NextUpdate.Sub(now) > whole/3
}
