// Package agent is the relying server's end of revocation. A [Source] fetches
// the CRL of every level of a CA and verifies them; [Follow] has it look again
// whenever the CA says that there is a new one, and at intervals; a [File] keeps
// them in the one file that nginx, Apache, HAProxy and others read, if that makes
// things better and never if it makes them worse.
//
// Servers built on OpenSSL refuse everyone when one level's CRL is missing, broken or
// has run out. Therefore a Source looks before anyone swaps: each CRL must be
// complete, signed by the CA it is for, in force, and no older than the one in
// hand; every level must be there. A File changes in one step or not at all, and
// goes back to what it was where the server's own check does not like the new one.
package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"signet/revocation/crl"
)

// Config is what to fetch, and for whom. URLs, CAs and Path must be there.
type Config struct {
	SourceConfig
	// Path is the file that the server reads: PEM, the CRLs in the order of CAs. Symlinks
	// are followed; [Open] puts the name that this leads to in its place.
	// Beside it, Path with ".state" at its end remembers entity tags and whether
	// the commands were run, and ".lock" keeps other agents away.
	Path string
	// Check is the server's own check of its configuration, run by "sh -c" when the file
	// has changed, with SIGNET_CRL=Path in its environment: "nginx -t". Where it fails
	// and would not with the file before, that is put back. "" for none.
	Check string
	// Reload is run in the same way after that: "systemctl reload nginx". Where it
	// failed, it is run again by the next Fetch. "" for none.
	Reload string
	// CommandTimeout bounds each of them; 0 for a minute.
	CommandTimeout time.Duration
	// Turns are shared with the other files of this machine; nil where there are none.
	Turns *Turns
}

// A Result is what a [File.Fetch] came to.
type Result struct {
	// Changed reports whether the file is another than before.
	Changed bool `json:"changed"`
	// CommandRun reports whether the server was reloaded, with success.
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

// Fetch brings the file of c up to date once, as [File.Fetch] does.
func Fetch(ctx context.Context, c Config) (*Result, error) {
	f, err := Open(c)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Fetch(ctx)
}

// A File is a server's CRL file, held by this process. It is not safe for concurrent use.
type File struct {
	Config
	source *Source
	given  string // Path as it was given
	lock   *lock

	kept    bool   // by a Keeper
	swapped func() // called before a reload; nil for nothing
	inPlace inPlace
	newest  *Set // what there is to put in place; nil before there was any
	pending bool // that, or a command, waits for another try
	state   state
	before  struct { // what the two were before the last swap
		inPlace
		state
	}
	refusal  refusal
	digested struct { // the last set of which the digest was wanted
		set    *Set
		digest string
	}
	warnings []string // of this Fetch
}

// Open takes the file, so that no other agent touches it until [File.Close], by whatever
// name. It tidies up what one that was killed has left.
func Open(c Config) (*File, error) {
	if c.Path == "" {
		return nil, errors.New("the CRL agent needs a path")
	}
	source, err := NewSource(c.SourceConfig)
	if err != nil {
		return nil, err
	}
	c.SourceConfig = source.SourceConfig // with its defaults
	if c.CommandTimeout == 0 {
		c.CommandTimeout = time.Minute
	}
	f := &File{Config: c, source: source, given: c.Path}
	if f.Path, err = target(c.Path); err != nil {
		return nil, f.withHint(err)
	}
	if f.lock, err = takeLock(f.Path + ".lock"); err != nil {
		return nil, f.withHint(err)
	}
	f.tidy()
	return f, nil
}

// Close lets the file go. It stays as it is.
func (f *File) Close() error { return f.lock.release() }

// Fetch brings the file up to date and has the server take it if it changed. Its
// errors are one of this package's with a hint for a person (exit.HintOf) and an
// exit code (exit.CodeOf). After [ErrReload] and [ErrBroken] the file is the new one, and after
// [ErrLacking] what it can be; after any other it is as it was.
func (f *File) Fetch(ctx context.Context) (*Result, error) {
	f.warnings = nil
	result, err := f.fetch(ctx)
	if err != nil {
		err = f.withHint(err)
	}
	return result, err
}

func (f *File) fetch(ctx context.Context) (*Result, error) {
	if err := f.look(); err != nil {
		return nil, err
	}
	next, err := f.source.Fetch(ctx, f.newest)
	if next != nil {
		f.newest = next
	} else if !f.pending || ctx.Err() != nil {
		return nil, err
	}
	result, putErr := f.put(ctx)
	f.pending = putErr != nil
	return result, errors.Join(err, putErr)
}

// put brings the newest CRLs into the file and the server.
func (f *File) put(ctx context.Context) (r *Result, err error) {
	r = f.describe()
	r.Changed, err = f.swap(ctx)
	f.forget(r.Changed)
	if f.swapped != nil {
		f.swapped()
	}
	if err == nil {
		r.CommandRun, err = f.reload(ctx)
	}
	r.Warnings = f.warnings
	if err != nil && !errors.Is(err, ErrReload) && !errors.Is(err, ErrBroken) {
		return nil, err
	}
	return r, err
}

// bigFile is the size from which on memory that a file took is given back at once:
// else the next fetch would come on top of it.
const bigFile = 1 << 20

// forget lets go of what was in place before the last swap.
func (f *File) forget(changed bool) {
	f.before.inPlace, f.before.state = inPlace{}, state{}
	if changed && f.inPlace.info != nil && f.inPlace.info.Size() > bigFile {
		debug.FreeOSMemory()
	}
}

// describe tells of the newest CRLs, and warns of those of whose time less than a
// third is left.
func (f *File) describe() *Result {
	r := &Result{Levels: f.newest.Levels(f.CAs), NextUpdate: f.newest.NextUpdate()}
	for _, l := range r.Levels {
		if s := l.Standing(f.Now()); s != OK {
			f.warnings = append(f.warnings, l.say(s, f.Now()))
			if !f.kept { // a Keeper has a measure of its own
				f.Logger.Warn(l.say(s, f.Now()))
			}
		}
	}
	return r
}

// Levels describe the set's CRLs, in the order of its source's CAs. One that is
// missing has an Issuer alone.
func (s *Set) Levels(cas []*x509.Certificate) []Level {
	all := make([]Level, len(cas))
	for i, c := range cas {
		all[i].Issuer = c.Subject.String()
		if l := s.list(i); l != nil {
			all[i] = levelOf(l)
		}
	}
	return all
}

func levelOf(l *crl.List) Level {
	return Level{
		Issuer: l.Issuer.String(), Number: l.Number.String(),
		ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, Entries: l.Entries,
	}
}

func (f *File) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	f.Logger.Warn(text)
	f.warnings = append(f.warnings, text)
}
