package revocation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"sync/atomic"
	"time"

	"signet/revocation/crl"
)

// A round is one making of CRLs: of those whose certificates have changed, or of all.
type round struct {
	*Publisher
	number uint64
	now    time.Time
	scopes []*scope
	all    bool
	// changed are the partitions to be made, if not all are.
	changed map[int]bool

	revision uint64 // the oldest of which a reading of the round tells
	made     map[int]uint64
	first    *List // the complete one
}

// publish makes the CRLs that are due and puts them out: in force first, so
// that a slow or full disk does not hide a revocation. The caller holds p.turn.
func (p *Publisher) publish(ctx context.Context) (*round, error) {
	r := &round{Publisher: p, now: p.now(), made: map[int]uint64{}, revision: 1<<64 - 1}
	remake := p.remake.Swap(false)
	err := r.prepare(ctx, remake)
	if err == nil {
		err = r.makeLists(ctx)
	}
	if err == nil {
		err = r.makeDeltas(ctx)
	}
	p.open(ctx, err)
	if r.first != nil { // once all is out: whoever hears of it may fetch the delta alone
		r.push.announce(r.first.Issuer, r.first.Number.String())
	}
	if err != nil {
		if remake {
			p.remake.Store(true)
		}
		return nil, err
	}
	p.seen = r.revision
	return r, nil
}

// open gives the issuer's CRLs out, once the first round has ended with err. Those of
// the run before may be older than what that run gave out last, since saving lags:
// numbers would go back (RFC 5280, Section 5.2.3), and a revocation with them. They are
// for when no others can be made.
func (p *Publisher) open(ctx context.Context, err error) {
	if p.opened.Load() || err != nil && ctx.Err() != nil {
		return
	}
	p.opened.Store(true)
	l := p.Current(p.issuer.ID())
	if err != nil && l != nil {
		p.logger.Error("not all CRLs could be made at the start: those on disk are given out meanwhile, and may lack the latest revocations",
			"error", err, "number", l.Number, "this_update", l.ThisUpdate, "next_update", l.NextUpdate)
	}
}

// finish ends a round in which every CRL was made: what had expired by then has
// appeared once more, and deltas are to these.
func (p *Publisher) finish(ctx context.Context, r *round) {
	if !r.all {
		return
	}
	if !p.clock.steady() {
		p.logger.Debug("expired entries stay on the CRL for another time, since the clock was set forward")
		return
	}
	if err := p.store.CRLMade(ctx, r.first.Issuer, r.first.ThisUpdate, r.revision); err != nil {
		p.logger.Warn("expired entries stay on the CRL for another time", "error", err)
	}
}

// prepare finds out what is to be made, and draws its number.
func (r *round) prepare(ctx context.Context, remake bool) (err error) {
	partitions, err := r.store.Partitions(ctx, r.issuer.ID())
	if err != nil {
		return fmt.Errorf("reading partitions: %w", err)
	}
	known := len(*r.Publisher.scopes.Load())
	r.scopes = r.scopesOf(partitions)
	r.all = remake || r.base.number == 0 || len(r.scopes) > known || r.untilDue() <= 0 || r.baseIsDue() ||
		len(r.scopes) == 1 && r.deltaOf() == ""
	if !r.all {
		err = r.findChanged(ctx)
	}
	if err != nil {
		return err
	}
	r.number, err = r.nextNumber(ctx)
	return err
}

// baseIsDue: RFC 5280, Section 5.2.4 has a delta's base be made now and then, and
// expired entries leave when it is.
func (r *round) baseIsDue() bool {
	return !r.now.Before(r.base.nextUpdate.Add(-r.times.Load().CRLOverlap)) || r.now.Before(r.base.thisUpdate)
}

func (r *round) deltaOf() string { return *r.deltas.Load() }

// scopesOf takes up partitions that are new.
func (p *Publisher) scopesOf(partitions []Partition) []*scope {
	scopes := *p.scopes.Load()
	for _, partition := range partitions[min(len(scopes)-1, len(partitions)):] {
		s := &scope{Partition: partition}
		p.restore(s)
		scopes = append(scopes[:len(scopes):len(scopes)], s)
	}
	p.scopes.Store(&scopes)
	p.told.Store(true)
	return scopes
}

// restore takes the CRL of the run before, whose number the next is above. It is given
// out where the next can't be made.
func (p *Publisher) restore(s *scope) {
	path := p.path(s)
	if path == "" {
		return
	}
	l, err := loadList(path, p.issuer.Certificate(), s.URL, false)
	if err == nil {
		l.Partition = s.Number
		s.list.Store(l)
		return
	}
	if !errors.Is(err, fs.ErrNotExist) {
		p.logger.Warn("the last CRL can't be read; the next one will replace it", "error", err)
	}
}

// findChanged finds the partitions whose revocations are others than when their CRL
// was made.
func (r *round) findChanged(ctx context.Context) error {
	if len(r.scopes) == 1 {
		return nil
	}
	r.changed = map[int]bool{}
	revision, err := r.store.Changed(ctx, r.issuer.ID(), r.seen, func(e Entry) bool {
		r.changed[e.Partition] = true
		return len(r.changed) < len(r.scopes)
	})
	if errors.Is(err, ErrRevision) {
		r.all = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what has changed: %w", err)
	}
	r.revision = min(r.revision, revision) // what changes from now on, the next round looks at
	return nil
}

// due reports whether the scope's CRL is made in this round: the complete one always is.
func (r *round) due(s *scope) bool { return r.all || s.Number == 0 || r.changed[s.Number] }

func (r *round) makeLists(ctx context.Context) error {
	for _, s := range r.scopes {
		if !r.due(s) {
			continue
		}
		h := r.head(s, r.number)
		if url := r.deltaOf(); url != "" && s.Number == 0 {
			h.Freshest = deltaURL(url)
		} else if url != "" {
			h.Freshest = deltaURL(s.URL)
		}
		list, err := r.make(ctx, s, h, s.list.Load(), r.entries(ctx, s))
		if err != nil {
			return err
		}
		r.putOut(&s.list, list)
		if path := r.path(s); path != "" {
			r.add(path, list)
		}
		if s.Number == 0 {
			r.first = list
		}
	}
	if r.all {
		r.base = baseline{r.number, r.revision, r.first.ThisUpdate, r.first.NextUpdate}
	}
	return nil
}

// head is what the scope's CRL and its delta share.
func (r *round) head(s *scope, number uint64) crl.Head {
	return crl.Head{
		Number: number, IDP: s.URL,
		ThisUpdate: r.now.Add(-clockSlack), NextUpdate: r.now.Add(r.times.Load().CRLLifetime),
	}
}

// entries are the scope's, as the store has them encoded.
func (r *round) entries(ctx context.Context, s *scope) crl.Source {
	return func(begin func(int, int64) error, yield func([]byte) error) error {
		scope := Scope{r.issuer.ID(), s.Number}
		err := r.store.RevokedEntries(ctx, scope, func(seen Snapshot) error {
			r.made[s.Number] = seen.Revision
			return begin(seen.Entries, seen.Octets)
		}, yield)
		if err == nil {
			r.revision = min(r.revision, r.made[s.Number])
		}
		return err
	}
}

// putOut puts list in force.
func (r *round) putOut(at *atomic.Pointer[List], list *List) {
	if err := replace(at, list); err != nil {
		r.logger.Warn("the file of the last CRL can't be removed", "error", err)
	}
}

// nextNumber draws a number from the store that is above those of all CRLs that are
// out: one must not be used twice, also where the store was restored from a
// backup (RFC 5280, Section 5.2.3).
func (p *Publisher) nextNumber(ctx context.Context) (uint64, error) {
	out := new(big.Int)
	for _, s := range *p.scopes.Load() {
		for _, l := range []*List{s.list.Load(), s.delta.Load()} {
			if l != nil && l.Number.Cmp(out) > 0 {
				out = l.Number
			}
		}
	}
	if !out.IsUint64() {
		return 0, fmt.Errorf("drawing a CRL number: the CRL that is out has number %v, which this CA can't have given it", out)
	}
	number, last, err := p.store.NextCRLNumber(ctx, p.issuer.ID(), out.Uint64())
	if err != nil {
		return 0, fmt.Errorf("drawing a CRL number: %w", err)
	}
	if last < out.Uint64() {
		p.logger.Warn("the store's last CRL number is behind that of the CRL that is out: if the store was restored from an older copy, revocations since then are missing and are to be made again",
			"store", last, "crl", out, "next", number)
		p.keepEvidence(last)
	}
	return number, nil
}
