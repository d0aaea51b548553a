package revocation

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"signet/ca"
	"signet/internal/atomicfile"
	"signet/revocation/crl"
)

// evidence is what is added to the name of a CRL's file that the store is older than.
const (
	evidence = ".before-restore"
	serials  = ".serials" // and to that for the list of what was forgotten
)

// keepEvidence keeps the complete CRL of the run before under another name, where the
// store, whose last number is last, is older than it: the CRL is all that is left to
// tell what was revoked since. The caller holds p.turn.
//
// A store that is not older may have released or dropped what the CRL has, and is right.
func (p *Publisher) keepEvidence(last uint64) {
	all := (*p.scopes.Load())[0]
	l, path := all.list.Load(), p.path(all)
	if p.opened.Load() || l == nil || path == "" || l.Number.Uint64() <= last {
		return
	}
	aside := path + evidence
	err := os.Link(path, aside)
	if errors.Is(err, fs.ErrExist) { // of another restore
		aside = fmt.Sprintf("%s.%v", aside, l.Number)
		if err = os.Link(path, aside); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	if err != nil {
		p.logger.Error("the last CRL, which the store is older than, can't be kept: copy it away before the next one takes its place",
			"error", err, "path", path)
		return
	}
	select {
	case p.forgotten <- aside:
	default: // two restores in one run can't be
	}
}

// findForgotten compares CRLs that were kept with the store, until ctx ends: also one
// that an earlier run did not get done with. That may take a while, and nobody waits for it.
func (p *Publisher) findForgotten(ctx context.Context) {
	if p.dir == "" {
		return
	}
	left, _ := filepath.Glob(filepath.Join(p.dir, p.issuer.ID()+".crl"+evidence+"*")) // fails for a pattern that is none
	for _, path := range left {
		if !strings.HasSuffix(path, serials) && !slices.Contains(left, path+serials) {
			p.compare(ctx, path)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case path := <-p.forgotten:
			p.compare(ctx, path)
		}
	}
}

// compare tells what is on the CRL at path and not revoked in the store, or removes
// that file where there is nothing of the kind.
func (p *Publisher) compare(ctx context.Context, path string) {
	f, err := p.writeForgotten(ctx, path)
	switch {
	case ctx.Err() != nil || errors.Is(err, fs.ErrNotExist): // the next run goes on, or another was done first
	case err != nil:
		p.logger.Error("what the store has forgotten can't be told: compare it with the CRL that was kept", "error", err, "crl", path)
	case f.count == 0:
		if err := os.Remove(path); err != nil {
			p.logger.Warn("a CRL that was kept for nothing can't be removed", "error", err)
		}
	default:
		p.logger.Error("the store is older than the CRL, and certificates that were revoked are not any more: revoke them again with signetd cert revoke --from "+path+serials+
			"; cards that were lost or retired since the backup are not any more: say signetd card lost again before that, card retire after it",
			"count", f.count, "unknown", f.unknown, "serials", strings.Join(f.first, " "), "crl", path)
	}
}

// forgotten is what the store has forgotten.
type forgotten struct {
	count   int
	unknown int      // of those the store doesn't even have the certificate
	first   []string // serial numbers
}

// writeForgotten writes the serial numbers and reasons into a file beside the CRL at path, one a
// line, as signetd cert revoke --from reads them, unless there are none.
func (p *Publisher) writeForgotten(ctx context.Context, path string) (f forgotten, err error) {
	in, err := os.Open(path)
	if err != nil {
		return f, err
	}
	defer in.Close() // it was only read
	info, err := in.Stat()
	if err != nil {
		return f, err
	}
	file, err := atomicfile.Create(path+serials, 0o600)
	if err != nil {
		return f, err
	}
	defer file.Discard()
	out := bufio.NewWriter(file)
	_, err = crl.Scan(in, info.Size(), func(e crl.Revoked) error { // its signature was checked when it was restored
		forgot, err := p.forgot(ctx, e, &f)
		if forgot {
			fmt.Fprintf(out, "%x %v\n", e.Serial, e.Reason) // Flush tells of errors
		}
		return err
	})
	if err != nil {
		return f, err
	}
	if err := out.Flush(); err != nil || f.count == 0 {
		return f, err
	}
	return f, file.Commit()
}

// forgot reports whether the store lets in what the CRL's entry was to keep out, and
// counts it.
func (p *Publisher) forgot(ctx context.Context, e crl.Revoked, f *forgotten) (bool, error) {
	serial, ok := ca.SerialOf(new(big.Int).SetBytes(e.Serial))
	if !ok {
		return false, nil // none that this CA can have given
	}
	c, err := p.store.Certificate(ctx, p.issuer.ID(), serial)
	switch {
	case errors.Is(err, ErrNotFound):
		f.unknown++
	case err != nil:
		return false, err
	case c.Revoked() || !c.NotAfter.After(p.now()):
		return false, nil
	}
	if f.count++; f.count <= maxNamed {
		f.first = append(f.first, serial.String())
	}
	return true, nil
}
