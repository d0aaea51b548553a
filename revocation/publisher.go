package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

// A Publisher keeps a current CRL of each level. That of the issuer it makes
// itself: before the last one runs out, and at once when something was revoked.
// That of the root it reads from a file. It is safe for concurrent use.
type Publisher struct {
	store  Store
	issuer *ca.Issuer
	file   string // "" for none
	times  *atomic.Pointer[Times]
	logger *slog.Logger
	now    func() time.Time

	root *rootFile // nil where issuer is a root

	list   atomic.Pointer[List] // the issuer's; nil before the first
	bundle atomic.Pointer[bundle]
	push   *push

	wake   chan struct{} // told that something was revoked; holds one
	turn   chan struct{} // held by whoever makes a CRL
	mu     sync.Mutex    // owns the three below
	wanted uint64        // how many times a CRL was asked for
	made   uint64        // how many of those the last CRL answers
	out    chan struct{} // closed when made grows, and replaced
}

// A bundle is the PEM of the CRL of every level, as made from those lists.
type bundle struct {
	lists []*List
	pem   []byte
	etag  string
}

func newPublisher(c Config, times *atomic.Pointer[Times]) *Publisher {
	p := &Publisher{
		store: c.Store, issuer: c.Issuer, times: times,
		logger: c.Logger, now: c.Now, push: newPush(),
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), out: make(chan struct{}),
	}
	if root := c.Issuer.Root(); !root.Equal(c.Issuer.Certificate()) {
		p.root = &rootFile{path: c.RootCRL, issuer: root, logger: c.Logger}
		p.root.current()
	}
	if c.CRLDir != "" {
		p.file = filepath.Join(c.CRLDir, c.Issuer.ID()+".crl")
		p.restore()
	}
	return p
}

// restore takes the CRL of the run before, so that one is out from the start.
func (p *Publisher) restore() {
	l, err := loadList(p.file, p.issuer.Certificate())
	if err == nil {
		p.list.Store(l)
		return
	}
	if !errors.Is(err, os.ErrNotExist) {
		p.logger.Warn("the last CRL can't be read; the next one will replace it", "error", err)
	}
}

// Current is the CRL in force of the issuer with that ID; nil where there is none.
func (p *Publisher) Current(issuer string) *List {
	switch {
	case issuer == p.issuer.ID():
		return p.list.Load()
	case p.root != nil && issuer == ca.IssuerID(p.root.issuer):
		return p.root.current()
	}
	return nil
}

// Lists are the CRLs of every level, the issuer's first, the root's last. It
// fails where one is missing: half of them is worse than none, since a server
// that checks every level would then refuse everyone.
func (p *Publisher) Lists() ([]*List, error) {
	l := p.list.Load()
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

// pemBundle is the PEM of [Publisher.Lists], made once for each new CRL.
func (p *Publisher) pemBundle() (*bundle, error) {
	lists, err := p.Lists()
	if err != nil {
		return nil, err
	}
	if b := p.bundle.Load(); b != nil && sameLists(b.lists, lists) {
		return b, nil
	}
	ders := make([][]byte, 0, len(lists))
	for _, l := range lists {
		ders = append(ders, l.DER)
	}
	b := &bundle{lists: lists, pem: crl.EncodePEM(ders...)}
	b.etag = etag(b.pem)
	p.bundle.Store(b)
	return b, nil
}

func sameLists(a, b []*List) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// notify says that something was revoked or released. It never waits.
func (p *Publisher) notify() {
	select {
	case p.wake <- struct{}{}:
	default: // a CRL is asked for already and not begun
	}
}

// Refresh returns when a CRL is out that shows everything that was on disk
// when Refresh was called. Callers at the same time share one.
func (p *Publisher) Refresh(ctx context.Context) error {
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
	if err := p.publish(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	p.made = all
	close(p.out)
	p.out = make(chan struct{})
	p.mu.Unlock()
	return nil
}

// Await returns when a CRL is out that shows everything that was on disk when
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
