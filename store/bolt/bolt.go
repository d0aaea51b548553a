// Package bolt keeps Signet's data in one file, by bbolt: no server, nothing to
// run, and a file that a crash cannot spoil.
//
// What it promises beside the contracts of package store:
//
//   - A write returns nil only when it is on disk, and no read shows what is not
//     on disk yet. Writes that come while another is being flushed share the
//     next flush (see writer.go); there is no timer, so a lone write waits for no one.
//   - A write that fails, by its own checks, by a panic or by a full disk,
//     changes nothing, and spoils none of those that shared its flush.
//   - One process has the file; the next one gets [ErrLocked], which says who has it.
//   - The part of the file in memory stays small (see resident.go).
package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"signet/store"
)

// ErrClosed is what a store answers after [Store.Close].
var ErrClosed = errors.New("the store is closed")

// Options change how [Open] opens; the zero value and nil are right for a server.
type Options struct {
	// LockTimeout is how long to wait for another process to let go of the
	// file; 0 means half a second.
	LockTimeout time.Duration
	// Logger hears of what callers are not told: panics contained, flushes
	// that failed. nil means slog.Default().
	Logger *slog.Logger
	// Now is the clock of [Store.NextCRLNumber]; nil means time.Now.
	Now func() time.Time
}

// A Store is a [store.Store] in one file. It is safe for concurrent use.
type Store struct {
	path    string
	db      *bbolt.DB
	logger  *slog.Logger
	now     func() time.Time
	writer  *writer
	flushed *flushed
	pages   *resident

	revisions revisions

	foldAt, maxFresh atomic.Int64 // those of fresh.go, but for tests
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the file at path and makes it, readable by its
// owner alone, where there is none. It fails with an error that is [ErrLocked]
// where another process has it, and with one that is [ErrNewer] where a later
// version of Signet has written it.
func Open(path string, opt *Options) (*Store, error) {
	s := newStore(path, opt)
	if err := create(path); err != nil {
		return nil, fmt.Errorf("making the store %s: %w", path, err)
	}
	timeout := 500 * time.Millisecond
	if opt != nil && opt.LockTimeout > 0 {
		timeout = opt.LockTimeout
	}
	db, err := openFile(path, timeout)
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, lockedError(path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	s.db = db
	if err := s.start(); err != nil {
		s.pages.meter.close()
		return nil, errors.Join(fmt.Errorf("opening the store %s: %w", path, err), db.Close())
	}
	return s, nil
}

func newStore(path string, opt *Options) *Store {
	s := &Store{path: path, logger: slog.Default(), now: time.Now, pages: &resident{}}
	s.foldAt.Store(foldAt)
	s.maxFresh.Store(maxFresh)
	if opt != nil && opt.Logger != nil {
		s.logger = opt.Logger
	}
	if opt != nil && opt.Now != nil {
		s.now = opt.Now
	}
	return s
}

// mapSize is how much address space the file is given from the start: no
// memory, just room. bbolt can enlarge it only while nobody reads, so a store
// that outgrew it would wait for every reader at each doubling.
const mapSize = 16 << 30

// openFile opens the file. The list of free pages is kept in it (NoFreelistSync
// false): that costs a page or two a commit, and without it every opening
// would read the whole file. Growing the file flushes it (NoGrowSync false),
// once in 16 MiB.
func openFile(path string, timeout time.Duration) (*bbolt.DB, error) {
	o := &bbolt.Options{Timeout: timeout, FreelistType: bbolt.FreelistMapType, NoStatistics: true}
	if strconv.IntSize == 64 {
		o.InitialMmapSize = mapSize & math.MaxInt
	}
	db, err := bbolt.Open(path, 0o600, o)
	if errors.Is(err, syscall.ENOMEM) { // address space is limited: do with what there is
		o.InitialMmapSize = 0
		db, err = bbolt.Open(path, 0o600, o)
	}
	return db, err
}

// start checks the schema, brings the store to it, and starts the writer.
func (s *Store) start() error {
	if err := s.upgrade(); err != nil {
		return err
	}
	if err := s.findCards(); err != nil {
		return err
	}
	if err := complete(s.db); err != nil {
		return err
	}
	s.writer = newWriter(s)
	err := s.db.View(func(btx *bbolt.Tx) error {
		s.flushed = newFlushed(btx.ID())
		s.writer.fresh = (&tx{Tx: btx}).freshCount()
		return s.revisions.load(btx)
	})
	if err != nil {
		return err
	}
	go s.writer.loop()
	return nil
}

// Close waits for the writes under way and for the readers, and lets go of the file.
func (s *Store) Close() error {
	s.writer.close()
	err := s.db.Close()
	s.pages.meter.close()
	return err
}

// Ping reads; and where the last write failed, it writes to see whether the
// trouble is over. It doesn't write otherwise: whoever asks often for
// readiness would wear out the disk.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.view(ctx, func(t *tx) error { return checkSchema(t.Tx) }); err != nil {
		return err
	}
	if !s.writer.failing.Load() {
		return nil
	}
	// As much as a good batch of enrollments takes: on a full disk, a small
	// write may still find a free page within the file.
	const room = 256 << 10
	err := s.update(ctx, func(t *tx) error { return t.put(bucketMeta, keyPing, make([]byte, room)) })
	if err != nil {
		return err
	}
	return s.update(ctx, func(t *tx) error { return t.delete(bucketMeta, keyPing) })
}

// Path is the file's.
func (s *Store) Path() string { return s.path }

// storeError says that it is the store which failed, and translates bbolt's
// word for closed.
func storeError(doing string, err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	var full *os.PathError
	if errors.As(err, &full) {
		err = full.Err // the path is bbolt's business; the cause is what helps
	}
	return fmt.Errorf("%s the store: %w", doing, err)
}
