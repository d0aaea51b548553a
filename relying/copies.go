package relying

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"signet/ca"
	"signet/internal/atomicfile"
	"signet/revocation/crl"
)

// copies are the CRLs on disk, two files a level: what was in force when the
// program ended. They are verified again when they are read; whether they have run
// out, each check asks.
type copies struct {
	dir    string // "" for none
	logger *slog.Logger
}

func newCopies(dir string, logger *slog.Logger) (*copies, error) {
	if dir == "" {
		return &copies{logger: logger}, nil
	}
	return &copies{dir: dir, logger: logger}, os.MkdirAll(dir, 0o755)
}

func (k *copies) path(l *level, suffix string) string {
	return filepath.Join(k.dir, ca.IssuerID(l.ca)+suffix)
}

const (
	completeFile = ".crl"
	deltaFile    = ".delta.crl"
)

// load puts what is on disk in force, and returns the complete list; nil for none.
func (k *copies) load(l *level) *crl.List {
	if s := l.now.Load(); s != nil { // another authority has the same CA
		return s.complete
	}
	complete := k.read(l, completeFile)
	if complete == nil || complete.Complete() != nil {
		return nil
	}
	l.setComplete(complete)
	if delta := k.read(l, deltaFile); delta != nil && accept(delta, l.now.Load()) == nil && delta.Number.Cmp(complete.Number) > 0 {
		l.setDelta(complete, delta)
	}
	return complete
}

func (k *copies) read(l *level, suffix string) *crl.List {
	if k.dir == "" {
		return nil
	}
	data, err := os.ReadFile(k.path(l, suffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var list *crl.List
	if err == nil {
		list, err = crl.Parse(data)
	}
	if err == nil {
		err = crl.CheckSignature(list, l.ca)
	}
	if err != nil {
		k.logger.Warn("the copy of a CRL is of no use", "path", k.path(l, suffix), "error", err)
		return nil
	}
	return list
}

func (k *copies) saveComplete(l *level, list *crl.List) { k.save(l, completeFile, list) }
func (k *copies) saveDelta(l *level, list *crl.List)    { k.save(l, deltaFile, list) }

// save fails in the log alone: what is in memory counts.
func (k *copies) save(l *level, suffix string, list *crl.List) {
	if k.dir == "" {
		return
	}
	if err := atomicfile.Write(k.path(l, suffix), list.Raw, 0o644); err != nil {
		k.logger.Warn("a CRL can't be kept on disk", "error", err)
	}
}
