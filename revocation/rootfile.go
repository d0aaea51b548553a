package revocation

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"signet/ca"
)

// A rootFile is the root's CRL, which is signed elsewhere and put in a file.
type rootFile struct {
	path   string
	issuer *x509.Certificate
	logger *slog.Logger

	mu     sync.Mutex // owns the fields below
	list   *List      // the last good one; nil before there was any
	seen   os.FileInfo
	failed string    // what was last logged, to log it once
	warned time.Time // when its nearing end was last logged
}

// current is the CRL in the file, read again if the file has changed. A file
// that is not a newer CRL of the root leaves the last good one in place.
func (f *rootFile) current() *List {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		f.fail(err)
		return f.list
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.Size() == info.Size() && f.seen.ModTime().Equal(info.ModTime()) {
		return f.list
	}
	f.seen = info
	if err := f.load(); err != nil {
		f.fail(err)
	}
	return f.list
}

func (f *rootFile) load() error {
	// An administrator may write into the file in place, and what is there may be
	// nothing for a moment.
	l, err := loadList(f.path, f.issuer, "", true)
	if err != nil {
		return err
	}
	// RFC 5280, Section 5.2.3: numbers only grow.
	if f.list != nil && l.Number.Cmp(f.list.Number) < 0 {
		_ = l.file.drop()
		return fmt.Errorf("%s: CRL number %v is older than %v, which is in force", f.path, l.Number, f.list.Number)
	}
	if f.list != nil {
		_ = f.list.file.drop() // it was only read
	}
	f.list, f.failed, f.warned = l, "", time.Time{}
	f.logger.Info("read the root's CRL", "path", f.path, "number", l.Number, "next_update", l.NextUpdate)
	return nil
}

func (f *rootFile) fail(err error) {
	if f.failed != err.Error() {
		f.failed = err.Error()
		f.logger.Error("the root's CRL can't be read; servers that check every level will refuse everyone once they have none",
			"error", err, "issuer", ca.IssuerID(f.issuer))
	}
}

// watch warns once a day of a CRL that nears its end: when a quarter of its
// time is left, or 30 days if that is less.
func (f *rootFile) watch(now time.Time) {
	l := f.current()
	f.mu.Lock()
	defer f.mu.Unlock()
	if l == nil || now.Sub(f.warned) < 24*time.Hour {
		return
	}
	left := l.NextUpdate.Sub(now)
	if left > min(l.NextUpdate.Sub(l.ThisUpdate)/4, 30*24*time.Hour) {
		return
	}
	f.warned = now
	f.logger.Warn("the root's CRL nears its end: sign the next one where the root's key is, and put it in place",
		"path", f.path, "next_update", l.NextUpdate, "left", left.Round(time.Hour))
}
