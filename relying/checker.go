package relying

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/ca"
	"signet/internal/dn"
	"signet/revocation/agent"
)

// ErrNoCertificate is what [Checker.Check] fails with where there is no certificate.
var ErrNoCertificate = errors.New("there is no client certificate")

// A RefusedError is why a certificate doesn't do.
type RefusedError struct {
	Reason Reason
	Err    error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the client certificate is refused (%s): %v", e.Reason, e.Err)
}
func (e *RefusedError) Unwrap() error { return e.Err }

// A Checker knows what its authorities have revoked. It is safe for concurrent use.
type Checker struct {
	config      Config
	trust       *trust
	levels      []*level
	authorities []*authority
	responders  *responders
}

// An authority is what is fetched of one CA, in one loop.
type authority struct {
	feeds  []*feed
	events string // the URL; "" for none
}

// New checks the configuration and reads the copies of CRLs that [Config.Dir] has.
// It fetches nothing: see [Checker.Run].
func New(c Config) (*Checker, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("relying: %w", err)
	}
	kept, err := newCopies(c.Dir, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("relying: %w", err)
	}
	checker := &Checker{config: c}
	checker.responders = newResponders(&checker.config)
	var cas []*x509.Certificate
	for _, a := range c.Authorities {
		cas = append(cas, a.Certificates...)
	}
	if checker.trust, err = newTrust(cas); err != nil {
		return nil, fmt.Errorf("relying: %w", err)
	}
	for _, a := range c.Authorities {
		if err := checker.add(a, kept); err != nil {
			return nil, fmt.Errorf("relying: %w", err)
		}
	}
	return checker, nil
}

// add makes the feeds of one authority: one for each level below its URL, so that
// a level with deltas is fetched apart from one without, or one for all.
func (c *Checker) add(a Authority, kept *copies) error {
	var levels []*level
	for _, cert := range a.Certificates {
		if c.needs(cert, a.Certificates) {
			levels = append(levels, c.levelOf(cert))
		}
	}
	if len(levels) == 0 {
		return nil
	}
	if a.URL == "" && len(a.CRLs) == 0 {
		return fmt.Errorf("nothing says where the CRL of %q is: give the CA's URL", levels[0].name())
	}
	next := new(authority)
	c.authorities = append(c.authorities, next)
	if len(a.CRLs) > 0 {
		return next.feed(&c.config, a.CRLs, levels, kept)
	}
	for _, l := range levels {
		if err := next.feed(&c.config, []string{a.crlURL(l.ca)}, []*level{l}, kept); err != nil {
			return err
		}
	}
	return nil
}

func (a *authority) feed(c *Config, urls []string, levels []*level, kept *copies) error {
	f, err := newFeed(c, urls, levels, kept)
	if err != nil {
		return err
	}
	a.feeds = append(a.feeds, f)
	a.events, err = agent.EventsURL(urls[0])
	return err
}

// needs reports whether the CRL of a CA is ever looked at: where OCSP alone
// counts, only for CAs below it that name no responder.
func (c *Checker) needs(issuer *x509.Certificate, all []*x509.Certificate) bool {
	if c.config.OCSP.Use != OCSPInstead {
		return true
	}
	for _, below := range all {
		if !isRoot(below) && c.responders.url(below) == "" && below.CheckSignatureFrom(issuer) == nil {
			return true
		}
	}
	return false
}

func (c *Checker) levelOf(cert *x509.Certificate) *level {
	for _, l := range c.levels {
		if sameCA(l.ca, cert) {
			return l
		}
	}
	l := &level{ca: cert}
	c.levels = append(c.levels, l)
	return l
}

// Run keeps the CRLs fresh until ctx ends: it fetches at once, when the CA
// announces a new one, and each [Config.Every]. It returns nil. What can't be fetched
// is logged, and tried again.
func (c *Checker) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, a := range c.authorities {
		g.Go(func() error {
			return agent.Follow(ctx, agent.FollowConfig{
				Fetch: func(ctx context.Context) error { return c.fetch(ctx, a) }, Events: a.events, Poll: c.config.Every,
				HTTP: c.config.HTTP, Logger: c.config.Logger, Now: c.config.Now,
			})
		})
	}
	<-ctx.Done() // also where no CRL is needed
	return g.Wait()
}

func (c *Checker) fetch(ctx context.Context, a *authority) error {
	var failed error
	for _, f := range a.feeds {
		if err := f.fetch(ctx); err != nil && ctx.Err() == nil {
			c.config.Logger.Warn("CRLs can't be brought up to date", "error", err, "good_until", f.until())
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// Check judges the certificate that a client has proved to hold the key of: the
// first of chain, as in [crypto/tls.ConnectionState]'s PeerCertificates. The rest
// of chain is not looked at, since every level is configured. The identity is there
// whatever the result; the error is nil where that is [Success], and
// [ErrNoCertificate] or a [*RefusedError] otherwise. ctx bounds the waiting for OCSP;
// without OCSP a check waits for nothing.
func (c *Checker) Check(ctx context.Context, chain []*x509.Certificate) (Identity, error) {
	if len(chain) == 0 {
		return Identity{Result: None}, ErrNoCertificate
	}
	id, failed := c.judge(ctx, chain[0])
	if failed == nil {
		id.Result = Success
		return id, nil
	}
	id.Result, id.Reason, id.Names = Failed, failed.reason, Names{}
	id.Detail, id.Revocation = failed.err.Error(), failed.revocation
	return id, &RefusedError{Reason: failed.reason, Err: failed.err}
}

func (c *Checker) judge(ctx context.Context, leaf *x509.Certificate) (Identity, *failure) {
	now := c.config.Now()
	k, failed := c.trust.find(leaf, now)
	id := k.identity
	for _, chain := range k.chains {
		unchecked, why := c.judgeChain(ctx, chain, now)
		if why == nil {
			id.Chain, id.Unchecked = chain, unchecked
			return id, nil
		}
		if failed == nil {
			id.Chain, failed = chain, why
		}
	}
	return id, failed
}

// judgeChain looks at dates, then at what each CA of the chain says of the one
// below it. A revocation at any level counts more than that another level can't say.
func (c *Checker) judgeChain(ctx context.Context, chain []*x509.Certificate, now time.Time) (unchecked bool, why *failure) {
	if why := outOfDate(chain, now); why != nil {
		return false, why
	}
	for i, cert := range chain[:len(chain)-1] {
		revocation, failed := c.status(ctx, cert, chain[i+1], now)
		switch {
		case revocation != nil:
			return false, revoked(revocation)
		case failed != nil && !failed.reason.Ours():
			return false, failed
		case why == nil:
			why = failed
		}
	}
	if why != nil && c.config.FailOpen {
		return true, nil
	}
	return false, why
}

func revoked(r *Revocation) *failure {
	f := fail(Revoked, "the certificate of %q was revoked at %s: %s", dn.String(r.Certificate.RawSubject), r.At.UTC().Format(time.RFC3339), r.Reason)
	if r.Reason == ca.CertificateHold {
		f.reason = OnHold
	}
	f.revocation = r
	return f
}

// status asks those who can know of cert: see [OCSPUse] for who wins.
func (c *Checker) status(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) (*Revocation, *failure) {
	use := c.config.OCSP.Use
	responds := use != OCSPNever && (c.responders.url(cert) != "" || use == OCSPInstead && !cert.IsCA)
	if use == OCSPInstead && responds {
		return c.responders.check(ctx, cert, issuer, now)
	}
	revocation, missing := c.byCRL(cert, issuer, now)
	if revocation != nil || !responds || use == OCSPFallback && missing == nil {
		return revocation, missing
	}
	revocation, failed := c.responders.check(ctx, cert, issuer, now)
	switch {
	case revocation != nil:
		return revocation, nil
	case failed == nil: // "good", which is enough
		return nil, nil
	case failed.reason.Ours(): // it can't say: then the CRL decides
		return nil, missing
	}
	return nil, failed
}

func (c *Checker) byCRL(cert, issuer *x509.Certificate, now time.Time) (*Revocation, *failure) {
	for _, l := range c.levels {
		if sameCA(l.ca, issuer) {
			return l.check(cert, now)
		}
	}
	return nil, fail(NoCRL, "no CRL of %q is fetched", dn.String(issuer.RawSubject))
}
