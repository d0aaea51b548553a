package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/atomicfile"
	"signet/internal/audit"
	"signet/revocation"
	"signet/revocation/ocsp"
	"signet/store"
	"signet/web"
)

// An authority is all that one reading of the configuration makes: the packages,
// wired. A reload makes another one on the same store and keys, which takes over
// what its predecessor must not forget.
type authority struct {
	conf     *Config
	issuer   string // the intermediate's ID
	enroller *enroll.Enroller
	revoking *revocation.Service
	// signerLifetime is how long an OCSP signer issued from now on holds.
	signerLifetime *atomic.Int64
	operator       *operator
	site           *web.Site
	// operatorHandler is the operator's.
	operatorHandler http.Handler
}

// parts are what outlives a reload.
type parts struct {
	store   store.Store
	issuer  *ca.Issuer
	serials *ca.SerialSource
	ocsp    ocsp.Signer       // that in the data folder; zero where there is none, or it was revoked
	escrow  *enroll.EscrowKey // nil where the CA has none
	logger  *slog.Logger
}

// newAuthority makes the authority that follows old, which is nil for the first.
// It is in force once it is in use and its policy is enforced.
func newAuthority(ctx context.Context, conf *Config, p parts, old *authority) (*authority, error) {
	a := &authority{conf: conf, issuer: p.issuer.ID()}
	urls, err := certificateURLs(ctx, conf, p)
	if err != nil {
		return nil, err
	}
	if a.enroller, err = newEnroller(conf, p, urls, old); err != nil {
		return nil, err
	}
	if err = a.setRevoking(p, old); err != nil {
		return nil, err
	}
	a.operator = &operator{
		store: p.store, accounts: a.enroller.Accounts(), holdings: a.holdings(p), codes: a.enroller.Codes(), revoker: a.revoking.Revoker,
		escrow: a.enroller.Escrow(), logger: p.logger,
		published: a.revoking.Publisher.Await, issuer: p.issuer.ID(), profiles: conf.profiles,
		pivRoots: conf.pivRoots(), chain: []*x509.Certificate{p.issuer.Certificate(), p.issuer.Root()},
		url: conf.URLs.HTTPS, fingerprint: fingerprint(p.issuer.Root()),
	}
	a.operatorHandler = a.operator.Handler()
	a.site, err = web.New(web.Config{
		Organisation: conf.Organisation, URL: conf.URLs.HTTPS,
		Root: p.issuer.Root(), Intermediate: p.issuer.Certificate(),
		API: a.enroller.Handler(), SelfRevocation: a.revoking.SelfHandler(a.enroller.AuthenticateSelf),
		Public: a.revoking.Handler, Kept: a.revoking.Responder.ServeKept, Checks: a.checks(p), Logger: p.logger,
	})
	return a, err
}

// holdings change cards and accounts with what hangs on them.
func (a *authority) holdings(p parts) *enroll.Holdings {
	return enroll.NewHoldings(enroll.HoldingsConfig{
		Store: p.store, Issuer: a.issuer, Temporary: a.conf.temporaryProfile(), With: a.conf.temporaryCompanions(), Changed: a.revoking.Revoker.Changed, Logger: p.logger,
	})
}

// newEnroller is old's where it can be: it remembers who tried wrong passwords.
// What an Enroller can't change are the URLs in its certificates, and the names of
// the profiles that accounts may be given.
func newEnroller(conf *Config, p parts, urls ca.URLs, old *authority) (*enroll.Enroller, error) {
	if old != nil && old.conf.URLs.HTTP == conf.URLs.HTTP && old.conf.CRL.Partitions == conf.CRL.Partitions &&
		slices.Equal(enroll.ProfileNames(old.conf.profiles), enroll.ProfileNames(conf.profiles)) {
		return old.enroller, nil
	}
	return enroll.New(enroll.Config{
		Store: p.store, Issuer: p.issuer, Serials: p.serials, Profiles: conf.profiles, Escrow: p.escrow,
		Roots: conf.pivRoots(), URLs: urls, Logger: p.logger,
	})
}

// certificateURLs go into accounts' certificates. Partitions that are new get their
// first CRL when the configuration is enforced, or the server starts.
func certificateURLs(ctx context.Context, conf *Config, p parts) (urls ca.URLs, err error) {
	urls = ca.URLsAt(conf.URLs.HTTP, p.issuer.ID())
	urls.Partitions, err = revocation.EnsurePartitions(ctx, p.store, p.issuer.ID(), conf.URLs.HTTP, conf.CRL.Partitions)
	return urls, err
}

// setRevoking takes over old's service: it holds CRLs and an OCSP signer that may
// be in memory alone, and a revocation under way waits for its next CRL.
func (a *authority) setRevoking(p parts, old *authority) (err error) {
	if old != nil {
		a.revoking, a.signerLifetime = old.revoking, old.signerLifetime
		return nil
	}
	a.signerLifetime = &atomic.Int64{}
	a.signerLifetime.Store(int64(a.conf.OCSP.SignerLifetime))
	t := a.conf.times()
	a.revoking, err = revocation.New(revocation.Config{
		Store: p.store, Issuer: p.issuer, CRLDir: a.conf.DataDir, RootCRL: a.conf.path(a.conf.Root.CRL),
		CRLLifetime: t.CRLLifetime, CRLOverlap: t.CRLOverlap, DeltaOf: a.conf.deltaOf(p.issuer.ID()), OCSPLifetime: t.OCSPLifetime,
		OCSPMemory: a.conf.OCSP.memory(), OCSPSigner: p.ocsp, IssueResponder: p.responderIssuer(a.conf.path(ocspCert), a.signerLifetime), Logger: p.logger,
	})
	return err
}

// enforce has what was old's go by the new configuration.
func (a *authority) enforce() error {
	a.signerLifetime.Store(int64(a.conf.OCSP.SignerLifetime))
	a.revoking.Responder.SetMemory(a.conf.OCSP.memory())
	a.revoking.SetCRLs(a.conf.deltaOf(a.issuer))
	return errors.Join(a.revoking.SetTimes(a.conf.times()), a.enroller.SetPolicy(a.conf.profiles, a.conf.pivRoots()))
}

// checks are what /readyz asks.
func (a *authority) checks(p parts) []web.Check {
	root := ca.IssuerID(p.issuer.Root())
	return []web.Check{
		{Name: "store", Check: p.store.Ping},
		{Name: "crl", Check: func(context.Context) error { return currentList(a.revoking.Publisher, p.issuer.ID()) }},
		{Name: "root-crl", Check: func(context.Context) error { return currentList(a.revoking.Publisher, root) }},
		{Name: "ocsp", Check: func(context.Context) error { return a.revoking.Responder.Check() }},
		{Name: "escrow", Check: func(context.Context) error {
			if name := a.conf.escrowWanted(); name != "" && p.escrow == nil {
				return fmt.Errorf("the escrow key is missing or can't be opened: the profile %s is refused", name)
			}
			return nil
		}},
	}
}

func currentList(p *revocation.Publisher, issuer string) error {
	l := p.Current(issuer)
	switch {
	case l == nil:
		return p.Lack(issuer)
	case !time.Now().Before(l.NextUpdate):
		return fmt.Errorf("ran out at %s", l.NextUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// responderIssuer issues the certificates of OCSP signers, and keeps them; lifetime
// is a time.Duration. One for the key in the data folder goes to the file beside that key:
// the next start goes on with it. For another key it doesn't: the passphrase to put that
// key on disk was forgotten at the start.
func (p parts) responderIssuer(file string, lifetime *atomic.Int64) func(context.Context, crypto.PublicKey) (*x509.Certificate, error) {
	return func(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error) {
		cert, err := p.own(ctx, "ocsp-signer.issue", func(serial ca.Serial, now time.Time) (*ca.Certificate, error) {
			return p.issuer.IssueResponder(ctx, serial, pub, time.Duration(lifetime.Load()), now)
		})
		if err != nil {
			return nil, err
		}
		if !p.onDisk(pub) {
			p.logger.Warn("the OCSP signer's key is in memory alone, and each start makes another one until there is one on disk",
				"hint", "stop the server, delete "+ocspKey+" and "+ocspCert+", and run signetd init")
		} else if err := atomicfile.Write(file, encodeChain(cert, p.issuer.Chain()), 0o644); err != nil {
			p.logger.Error("the OCSP signer's new certificate is in use, but not on disk", "error", err)
		}
		return cert, nil
	}
}

// onDisk reports whether pub is of the OCSP signer's key in the data folder.
func (p parts) onDisk(pub crypto.PublicKey) bool {
	if p.ocsp.Key == nil {
		return false
	}
	mine, ok := p.ocsp.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && mine.Equal(pub)
}

// own issues one of the CA's own certificates: an audit line before and after
// the signature, and the certificate in the store before it is used.
func (p parts) own(ctx context.Context, action string, issue func(ca.Serial, time.Time) (*ca.Certificate, error)) (*x509.Certificate, error) {
	serial, err := p.serials.Next(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	e := audit.Event{Time: now.UTC(), Actor: audit.Server, Action: action, Object: serial.String()}
	audit.Log(ctx, p.logger, "begin", e)
	cert, err := issue(serial, now)
	if err == nil {
		err = p.store.RecordCertificate(ctx, *cert, e)
	}
	if err != nil {
		audit.Log(ctx, p.logger, "failed", e)
		return nil, err
	}
	audit.Log(ctx, p.logger, "end", e)
	return cert.X509()
}

// stands reports whether the CA still stands behind one of its own
// certificates: a revoked one is not used again.
func (p parts) stands(ctx context.Context, cert *x509.Certificate) bool {
	serial, ok := ca.SerialOf(cert.SerialNumber)
	if !ok {
		return false
	}
	record, err := p.store.Certificate(ctx, p.issuer.ID(), serial)
	return err == nil && !record.Revoked()
}
