package revocation

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/ca"
	"signet/revocation/ocsp"
)

// clockSlack is how far thisUpdate lies back, so that a relying server whose
// clock is slow takes a CRL or an answer that was made this second.
const clockSlack = 5 * time.Minute

// Config is what revocation needs. Store and Issuer must be there; zero
// values elsewhere are given their meaning below.
type Config struct {
	Store  Store
	Issuer *ca.Issuer // the intermediate

	// CRLDir is the folder that holds the CRLs across restarts; "" keeps them in
	// temporary files.
	CRLDir string
	// RootCRL is the file with the root's CRL, DER or PEM, which was signed where
	// the root's key is. It is read again when it changes. It may be "" only where
	// Issuer is a root itself.
	RootCRL string
	// CRLLifetime is from a CRL's making to its nextUpdate, 0 for 72 hours;
	// CRLOverlap is how long before nextUpdate the next one is out, 0 for two
	// thirds of the lifetime.
	CRLLifetime, CRLOverlap time.Duration
	// DeltaOf is the URL of the complete CRL, where each CRL shall have a delta, whose
	// URL is that of the CRL with ".delta.crl" at its end; "" for no deltas.
	DeltaOf string

	// OCSPLifetime is from an answer's making to its nextUpdate, 0 for an hour. A
	// cache on the way may keep an answer for so long.
	OCSPLifetime time.Duration
	// OCSPSigner is the responder to begin with; the zero value for none.
	OCSPSigner ocsp.Signer
	// OCSPMemory bounds the answers that are signed ahead and kept, in octets of
	// memory; 0 for 2 MiB, a negative number for none.
	OCSPMemory int64
	// IssueResponder issues and records a delegated responder's certificate for
	// a fresh key, whenever the one in use nears its end.
	IssueResponder func(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error)

	Logger *slog.Logger     // nil for slog.Default()
	Now    func() time.Time // nil for time.Now
}

func (c *Config) check() error {
	if c.Store == nil || c.Issuer == nil {
		return errors.New("revocation: a store and an issuer are needed")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// Times are those of a [Config]; zero values mean the same as there.
type Times struct {
	CRLLifetime, CRLOverlap time.Duration
	OCSPLifetime            time.Duration
}

func (t *Times) check() error {
	if t.CRLLifetime == 0 {
		t.CRLLifetime = 72 * time.Hour
	}
	if t.CRLOverlap == 0 {
		t.CRLOverlap = t.CRLLifetime / 3 * 2
	}
	if t.OCSPLifetime == 0 {
		t.OCSPLifetime = time.Hour
	}
	switch {
	case t.CRLOverlap < 0 || t.CRLLifetime <= t.CRLOverlap:
		return errors.New("revocation: a CRL's lifetime must be longer than its overlap")
	case t.OCSPLifetime < time.Minute:
		return errors.New("revocation: an OCSP answer must hold for a minute at least")
	}
	return nil
}

// A Service is the three that this package is made of, working together.
type Service struct {
	Revoker   *Revoker
	Publisher *Publisher
	Responder *Responder

	times *atomic.Pointer[Times] // the two's
}

// New makes a service. It reads the CRLs that are on disk, signs nothing and
// starts nothing: see [Service.Run].
func New(c Config) (*Service, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	t := Times{CRLLifetime: c.CRLLifetime, CRLOverlap: c.CRLOverlap, OCSPLifetime: c.OCSPLifetime}
	if err := t.check(); err != nil {
		return nil, err
	}
	times := &atomic.Pointer[Times]{}
	times.Store(&t)
	p := newPublisher(c, times)
	r, err := newResponder(c, times)
	if err != nil {
		return nil, err
	}
	return &Service{
		Revoker:   &Revoker{store: c.Store, issuer: c.Issuer.ID(), publisher: p, responder: r, logger: c.Logger, now: c.Now},
		Publisher: p,
		Responder: r,
		times:     times,
	}, nil
}

// SetTimes puts other times into force, for what is signed from now on: a CRL at
// once, if [Service.Run] runs. All else stays: what is out, and who waits for it.
func (s *Service) SetTimes(t Times) error {
	if err := t.check(); err != nil {
		return err
	}
	s.times.Store(&t)
	s.Publisher.remakeAll()
	return nil
}

// SetCRLs puts another Config.DeltaOf into force, and takes up partitions that the store
// has got: at once, if [Service.Run] runs.
func (s *Service) SetCRLs(deltaOf string) {
	s.Publisher.deltas.Store(&deltaOf)
	s.Publisher.remakeAll()
}

// Run keeps CRLs, the OCSP signer and the answers that it signs ahead current until ctx ends. It must run once
// beside the handlers; commands that do one thing and end call
// [Publisher.Refresh] instead.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Publisher.run(ctx) })
	g.Go(func() error { s.Publisher.unsaved.run(ctx); return nil })
	g.Go(func() error { s.Publisher.findForgotten(ctx); return nil })
	g.Go(func() error { return s.Responder.run(ctx) })
	g.Go(func() error {
		<-ctx.Done()
		s.Publisher.push.close()     // or a server that stops would wait for those who listen,
		s.Publisher.downloads.stop() // and long for a slow downloader
		return nil
	})
	err := g.Wait()
	s.Publisher.save()
	return err
}
