package revocation

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
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
	cause  error     // why there is no list
	warned time.Time // when its nearing end was last logged
	told   time.Time // when its end was
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
	f.list, f.failed, f.warned, f.told = l, "", time.Time{}, time.Time{}
	f.logger.Info("read the root's CRL", "path", f.path, "number", l.Number, "next_update", l.NextUpdate)
	return nil
}

func (f *rootFile) fail(err error) {
	f.cause = err
	if f.failed != err.Error() {
		f.failed = err.Error()
		f.logger.Error("the root's CRL can't be read; servers that check every level will refuse everyone once they have none",
			"error", err, "issuer", ca.IssuerID(f.issuer))
	}
}

// lack is why there is no list, without the file's path: anyone may be told.
func (f *rootFile) lack() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var path *fs.PathError
	switch {
	case f.cause == nil || errors.Is(f.cause, fs.ErrNotExist):
		return errNoList
	case errors.As(f.cause, &path):
		return fmt.Errorf("its file can't be read: %w", path.Err)
	case errors.Unwrap(f.cause) != nil:
		return fmt.Errorf("its file is of no use: %w", errors.Unwrap(f.cause))
	}
	return errNoList
}

// tellEvery is the time from one line about a CRL that has run out to the next.
const tellEvery = 10 * time.Minute

// watch warns once a day of a CRL that nears its end: when a quarter of its
// time is left, or 30 days if that is less. Of one that has run out it tells at
// once, and again and again: nobody gets in.
func (f *rootFile) watch(now time.Time) {
	l := f.current()
	f.mu.Lock()
	defer f.mu.Unlock()
	if l == nil {
		return
	}
	left := l.NextUpdate.Sub(now)
	switch {
	case left <= 0:
		// A clock that was set back must not silence it.
		if since := now.Sub(f.told); since < 0 || since >= tellEvery {
			f.told = now
			f.logger.Error("the root's CRL has run out: servers that check every level refuse everyone until the next one, signed where the root's key is, is in place",
				"path", f.path, "next_update", l.NextUpdate, "ago", inWords(-left))
		}
	case left <= min(l.NextUpdate.Sub(l.ThisUpdate)/4, 30*24*time.Hour):
		if since := now.Sub(f.warned); since < 0 || since >= 24*time.Hour {
			f.warned = now
			f.logger.Warn("the root's CRL nears its end: sign the next one where the root's key is, and put it in place",
				"path", f.path, "next_update", l.NextUpdate, "left", inWords(left))
		}
	}
}

// inWords is d in the unit that matters, rounded down: nobody should count on more
// time than there is.
func inWords(d time.Duration) string {
	days, hours, minutes := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60
	switch {
	case d >= 2*24*time.Hour:
		return count(days, "day")
	case d >= time.Hour:
		return count(24*days+hours, "hour")
	case d >= time.Minute:
		return count(minutes, "minute")
	}
	return "less than a minute"
}

func count(n int, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
