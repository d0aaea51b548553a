package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// A Publisher keeps a current CRL of each level. Those of the issuer it makes
// itself: before the last ones run out, and at once when something was revoked.
// That of the root it reads from a file. It is safe for concurrent use.
//
// The issuer has one CRL that covers all of its certificates, and one of each
// partition. With deltas, each of them has a delta beside it, made of what has
// changed since the last time that all of them were made.
type Publisher struct {
	store  Store
	issuer *ca.Issuer
	dir    string // "" for none
	times  *atomic.Pointer[Times]
	deltas *atomic.Pointer[string] // the complete CRL's URL; "" for no deltas
	logger *slog.Logger
	now    func() time.Time

	root *rootFile // nil where issuer is a root
	push *push

	downloads downloads

	scopes atomic.Pointer[[]*scope] // by partition, which are without a gap
	unsaved

	wake   chan struct{} // told that something was revoked; holds one
	turn   chan struct{} // held by whoever makes a CRL; owns the fields below
	base   baseline
	seen   uint64 // the revision that the CRLs in force show
	took   atomic.Int64
	remake atomic.Bool // all CRLs are to be made, since settings have changed
	clock  clock

	opened atomic.Bool // the first round has ended: see open
	told   atomic.Bool // the store has told what partitions there are

	forgotten chan string // the file of a CRL that the store is older than; holds one

	mu     sync.Mutex    // owns the three below
	wanted uint64        // how many times a CRL was asked for
	made   uint64        // how many of those the last CRL answers
	out    chan struct{} // closed when made grows, and replaced
}

func newPublisher(c Config, times *atomic.Pointer[Times]) *Publisher {
	p := &Publisher{
		store: c.Store, issuer: c.Issuer, dir: c.CRLDir, times: times, deltas: &atomic.Pointer[string]{},
		logger: c.Logger, now: c.Now, push: newPush(), unsaved: newUnsaved(c.Logger),
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), out: make(chan struct{}),
		forgotten: make(chan string, 1),
		clock:     clock{now: c.Now},
	}
	p.deltas.Store(&c.DeltaOf)
	if root := c.Issuer.Root(); !root.Equal(c.Issuer.Certificate()) {
		p.root = &rootFile{path: c.RootCRL, issuer: root, logger: c.Logger}
		p.root.current()
	}
	if p.dir != "" {
		if err := removeTemps(p.dir, p.issuer.ID()+"*.crl"); err != nil {
			p.logger.Warn("what a crash has left can't be removed", "error", err)
		}
	}
	all := &scope{}
	p.restore(all)
	p.scopes.Store(&[]*scope{all})
	return p
}

// path is the file of the scope's CRL across restarts; "" for none.
func (p *Publisher) path(s *scope) string {
	switch {
	case p.dir == "":
		return ""
	case s.Number == 0:
		return filepath.Join(p.dir, p.issuer.ID()+".crl")
	}
	return filepath.Join(p.dir, fmt.Sprintf("%s.%d.crl", p.issuer.ID(), s.Number))
}

// Current is the complete CRL in force of the issuer with that ID; nil where
// there is none.
func (p *Publisher) Current(issuer string) *List { return p.CurrentOf(Scope{Issuer: issuer}, false) }

// Lack is why there is no Current of that issuer: what is wrong with the root's file.
func (p *Publisher) Lack(issuer string) error {
	if p.root != nil && issuer == ca.IssuerID(p.root.issuer) {
		return p.root.lack()
	}
	return errNoList
}

var errNoList = errors.New("there is none")

// CurrentOf is the CRL in force of that scope, or its delta; nil where there is none:
// of the issuer's own, until the first ones of this run are made, or can't be.
func (p *Publisher) CurrentOf(s Scope, delta bool) *List {
	if s.Issuer == p.issuer.ID() && !p.opened.Load() {
		return nil
	}
	if scopes := *p.scopes.Load(); s.Issuer == p.issuer.ID() && s.Partition >= 0 && s.Partition < len(scopes) {
		if delta {
			return scopes[s.Partition].delta.Load()
		}
		return scopes[s.Partition].list.Load()
	}
	if p.root != nil && s == (Scope{Issuer: ca.IssuerID(p.root.issuer)}) && !delta {
		return p.root.current()
	}
	return nil
}

// has reports whether there is such a partition, or may be.
func (p *Publisher) has(s Scope) bool {
	return s.Issuer == p.issuer.ID() && (!p.told.Load() || s.Partition < len(*p.scopes.Load()))
}

// Lists are the complete CRLs of every level, the issuer's first, the root's last.
// It fails where one is missing: half of them is worse than none, since a server
// that checks every level would then refuse everyone.
func (p *Publisher) Lists() ([]*List, error) {
	l := p.Current(p.issuer.ID())
	if l == nil {
		return nil, fmt.Errorf("there is no CRL of %q yet", p.issuer.Certificate().Subject)
	}
	if p.root == nil {
		return []*List{l}, nil
	}
	r := p.root.current()
	if r == nil {
		return nil, fmt.Errorf("there is no CRL of the root %q", p.root.issuer.Subject)
	}
	return []*List{l, r}, nil
}

// Check fails where a level's CRL is missing or has run out.
func (p *Publisher) Check() error {
	lists, err := p.Lists()
	if err != nil {
		return err
	}
	for _, l := range lists {
		if !l.NextUpdate.After(p.now()) {
			return fmt.Errorf("the CRL of issuer %s: %w", l.Issuer, crl.ErrExpired)
		}
	}
	return nil
}

// notify says that something was revoked or released. It never waits.
func (p *Publisher) notify() {
	select {
	case p.wake <- struct{}{}:
	default: // a CRL is asked for already and not begun
	}
}

// remakeAll has all CRLs made anew, with the settings that are in force now.
func (p *Publisher) remakeAll() {
	p.remake.Store(true)
	p.notify()
}

// Refresh returns when CRLs are out, and on disk, that show everything that was
// on disk when Refresh was called. Callers at the same time share them.
func (p *Publisher) Refresh(ctx context.Context) error {
	if err := p.refresh(ctx, false); err != nil {
		return err
	}
	p.save()
	return nil
}

// refresh is Refresh without the disk. With ifChanged, CRLs that show everything stay.
func (p *Publisher) refresh(ctx context.Context, ifChanged bool) error {
	p.mu.Lock()
	p.wanted++
	mine := p.wanted
	p.mu.Unlock()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return fmt.Errorf("waiting for the next CRL: %w", ctx.Err())
	}
	p.mu.Lock()
	answered, all := p.made >= mine, p.wanted
	p.mu.Unlock()
	if answered { // by one that began after we asked
		return nil
	}
	if ifChanged && p.shown(ctx) {
		p.answer(all)
		return nil
	}
	begun := time.Now()
	r, err := p.publish(ctx)
	if err != nil {
		return err
	}
	p.took.Store(int64(time.Since(begun)))
	p.answer(all)
	p.finish(ctx, r) // nobody need wait for that
	return nil
}

// answer lets those go that were among the first so many to ask for a CRL.
func (p *Publisher) answer(asked uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made = asked
	close(p.out)
	p.out = make(chan struct{})
}

// Await returns when CRLs are out that show everything that was on disk when
// Await was called. It leaves the making to [Service.Run], where a burst
// shares one, and so waits for ctx alone where that is not running.
func (p *Publisher) Await(ctx context.Context) error {
	p.mu.Lock()
	p.wanted++
	mine := p.wanted
	p.mu.Unlock()
	p.notify()
	for {
		p.mu.Lock()
		made, out := p.made, p.out
		p.mu.Unlock()
		if made >= mine {
			return nil
		}
		select {
		case <-out:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the next CRL: %w", ctx.Err())
		}
	}
}
