// Package agent is the relying server's end of revocation: it fetches the CRL
// of every level, and puts them in the one file that nginx, Apache, HAProxy and
// others read, if that makes things better and never if it makes them worse.
//
// Servers built on OpenSSL refuse everyone when one level's CRL is missing, broken or
// has run out. Therefore [Fetch] looks before it swaps: each CRL must be
// complete, signed by the CA it is for, in force, and no older than the one in
// place; every level must be there; and the file changes in one step or not at
// all. What fails leaves the file as it was.
package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"signet/revocation/crl"
)

// Config is what to fetch, and for whom. URLs, Path and CAs must be there.
type Config struct {
	// URLs each give one CRL in DER or several in PEM: the CA's /crl/bundle.pem,
	// or its /crl/{id}.crl of each level.
	URLs []string
	// Path is the file that the server reads: PEM, the CRLs in the order of CAs.
	// Beside it, Path with ".state" at its end remembers entity tags and whether
	// the command was run. Two agents must not share a Path.
	Path string
	// CAs are the certificates of every level: of each, a CRL must be found.
	CAs []*x509.Certificate
	// Command is run by "sh -c" after the file has changed, with SIGNET_CRL=Path
	// in its environment: "systemctl reload nginx". Where it failed, it is run again
	// by the next Fetch. "" for none.
	Command string
	// CommandTimeout bounds the command; 0 for a minute.
	CommandTimeout time.Duration

	// HTTP fetches; nil for a client that gives up after a minute.
	HTTP *http.Client
	// MaxBytes bounds what one URL may give; 0 for 128 MiB, which holds the
	// CRL of two million certificates.
	MaxBytes int64
	// Slack is how far the CA's clock may be ahead of this one; 0 for 5 minutes.
	Slack time.Duration

	Logger *slog.Logger     // nil for slog.Default()
	Now    func() time.Time // nil for time.Now
}

func (c *Config) check() error {
	if len(c.URLs) == 0 || c.Path == "" || len(c.CAs) == 0 {
		return errors.New("the CRL agent needs a URL, a path and the CA certificates")
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = time.Minute
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: time.Minute}
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 128 << 20
	}
	if c.Slack == 0 {
		c.Slack = 5 * time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.CAs = distinct(c.CAs)
	return nil
}

// A Result is what a [Fetch] came to.
type Result struct {
	// Changed reports whether the file is another than before.
	Changed bool `json:"changed"`
	// CommandRun reports whether the command was run, with success.
	CommandRun bool `json:"command_run"`
	// Levels are the CRLs in the file, in the order of Config.CAs.
	Levels []Level `json:"levels"`
	// NextUpdate is when the first of them runs out: by then servers must have
	// the next, or they refuse everyone.
	NextUpdate time.Time `json:"next_update"`
	// Warnings are sentences for a person: above all of a CRL that nears its end.
	Warnings []string `json:"warnings,omitempty"`
}

// A Level is one CRL in the file.
type Level struct {
	Issuer     string    `json:"issuer"` // the CA's subject
	Number     string    `json:"number"` // decimal
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Entries    int       `json:"entries"`
}

// Fetch brings the file up to date and runs the command if it changed. Its errors
// are one of this package's with a hint for a person (exit.HintOf) and an exit
// code (exit.CodeOf). After [ErrCommand] the file is the new one; after any
// other it is as it was.
func Fetch(ctx context.Context, c Config) (*Result, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	f := &fetch{Config: c, now: c.Now()}
	if err := f.readInPlace(); err != nil {
		return nil, f.withHint(err)
	}
	result, err := f.run(ctx)
	if err != nil {
		return result, f.withHint(err)
	}
	return result, nil
}

// A fetch is one run.
type fetch struct {
	Config
	now      time.Time
	inPlace  inPlace
	state    state
	warnings []string
}

func (f *fetch) run(ctx context.Context) (*Result, error) {
	fetched, tags, err := f.fetchAll(ctx)
	if err != nil {
		return nil, err
	}
	lists, err := f.choose(fetched)
	if err != nil {
		return nil, err
	}
	result := f.describe(lists)
	next := encode(lists)
	if result.Changed = !f.inPlace.is(next); result.Changed {
		if err := f.replace(next); err != nil {
			return nil, err
		}
	}
	result.CommandRun, err = f.apply(ctx, digest(next), tags)
	result.Warnings = f.warnings
	return result, err
}

// describe tells of the CRLs that will be in the file, and warns of those of
// whose time less than a third is left.
func (f *fetch) describe(lists []*crl.List) *Result {
	r := &Result{}
	for _, l := range lists {
		r.Levels = append(r.Levels, Level{
			Issuer: l.Issuer.String(), Number: l.Number.String(),
			ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, Entries: l.Entries,
		})
		if r.NextUpdate.IsZero() || l.NextUpdate.Before(r.NextUpdate) {
			r.NextUpdate = l.NextUpdate
		}
		if left := l.NextUpdate.Sub(f.now); left < l.NextUpdate.Sub(l.ThisUpdate)/3 {
			f.warn("the CRL of %q runs out in %s: servers then refuse everyone", l.Issuer, left.Round(time.Minute))
		}
	}
	return r
}

func (f *fetch) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	f.Logger.Warn(text)
	f.warnings = append(f.warnings, text)
}
