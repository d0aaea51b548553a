package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// maxBatch bounds how many writes share one commit, and with it how long the
// first of them waits.
const maxBatch = 512

// A writer runs all writes, from one goroutine. It takes what has queued up
// while the last commit ran, runs all of it in one transaction, commits, and
// only then answers each. Flushing is what a write costs, so the more that come
// at once, the less each costs; and a lone one waits for nothing.
type writer struct {
	store   *Store
	queue   chan *write
	stop    chan struct{} // closed by close
	stopped sync.Once
	exited  chan struct{} // closed when loop has returned
	// failing tells that the last commit failed.
	failing atomic.Bool

	fresh   int  // how many revocations are, by the last commit; the writer's goroutine owns this and the next
	folding bool // until there are none
}

// A write is one change, asked for by one goroutine and run by the writer's.
type write struct {
	ctx context.Context
	// run makes the change. It may run more than once; its last run counts.
	run func(*tx) error
	// taken is set by whoever decides what becomes of it: the writer, which
	// runs it, or the caller, who gives up.
	taken atomic.Bool
	err   error         // the writer's, until done is closed
	done  chan struct{} // closed by the writer
}

// take reports whether the caller of take is the first.
func (w *write) take() bool { return w.taken.CompareAndSwap(false, true) }

func newWriter(s *Store) *writer {
	return &writer{
		store: s, queue: make(chan *write, maxBatch),
		stop: make(chan struct{}), exited: make(chan struct{}),
	}
}

// update has run run by the writer and returns its outcome when that is on disk.
// Where ctx ends before it has begun, it is not run; once begun, its outcome
// is waited for, since nobody could say otherwise whether it came to be.
func (s *Store) update(ctx context.Context, run func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &write{ctx: ctx, run: run, done: make(chan struct{})}
	select {
	case s.writer.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.writer.stop:
		return ErrClosed
	}
	return s.writer.await(w)
}

func (wr *writer) await(w *write) error {
	given := ErrClosed
	select {
	case <-w.done:
		return w.err
	case <-w.ctx.Done():
		given = w.ctx.Err()
	case <-wr.exited:
	}
	if w.take() {
		return given
	}
	<-w.done
	return w.err
}

// loop is the writer's goroutine. It ends when close was called and the queue is empty.
func (wr *writer) loop() {
	defer close(wr.exited)
	for {
		select {
		case w := <-wr.queue:
			wr.serve(wr.gather(w))
			continue
		case <-wr.idle():
			wr.fold()
			continue
		case <-wr.stop:
		}
		select {
		case w := <-wr.queue:
			wr.serve(wr.gather(w))
		default:
			return
		}
	}
}

// idleTime is for how long nobody must have written before the writer works for itself.
const idleTime = 20 * time.Millisecond

// idle is when the writer has time to fold what is fresh; nil where it needn't.
func (wr *writer) idle() <-chan time.Time {
	wr.folding = int64(wr.fresh) >= wr.store.foldAt.Load() || wr.folding && wr.fresh > 0
	if !wr.folding {
		return nil
	}
	return time.After(idleTime)
}

// fold folds some of what is fresh; see fresh.go.
func (wr *writer) fold() {
	w := &write{ctx: context.Background(), done: make(chan struct{}), run: func(t *tx) error { return t.foldSome(foldStep) }}
	wr.serve([]*write{w})
	if w.err != nil {
		wr.store.logger.Error("revocations can't be brought to their place in the store: they stand where they are", "error", w.err)
		wr.fresh, wr.folding = 0, false // until the next write has succeeded
	}
}

func (wr *writer) close() {
	wr.stopped.Do(func() { close(wr.stop) })
	<-wr.exited
}

// gather returns first and what else has queued. Before it settles for that it
// lets every goroutine run that could at this moment: those that the last
// commit has answered are about to write again, and it costs nothing when
// there is none.
func (wr *writer) gather(first *write) []*write {
	batch := []*write{first}
	for {
		n := len(batch)
		runtime.Gosched()
		for len(batch) < maxBatch && len(wr.queue) > 0 {
			batch = append(batch, <-wr.queue)
		}
		if len(batch) == n || len(batch) == maxBatch {
			return batch
		}
	}
}

// serve runs the batch and answers all of it.
func (wr *writer) serve(batch []*write) {
	begun := batch[:0]
	for _, w := range batch {
		if w.ctx.Err() == nil && w.take() {
			begun = append(begun, w)
		} else if w.take() {
			w.err = w.ctx.Err()
			close(w.done)
		}
	}
	if err := wr.commit(begun); err != nil {
		// Also for those that had failed by themselves: what they saw, such as a
		// code spent by another of the batch, has not come to be.
		for _, w := range begun {
			w.err = err
		}
	}
	for _, w := range begun {
		close(w.done)
	}
}

// commit runs the batch in one transaction and commits it. A write that fails
// before it has changed anything is just left with its error. One that fails
// later has spoiled the transaction: all is undone and run again without it.
func (wr *writer) commit(batch []*write) error {
	batch = append([]*write(nil), batch...)
	for {
		if err := wr.store.flushed.broken(); err != nil {
			return err
		}
		btx, err := wr.store.db.Begin(true)
		if err != nil {
			return storeError("writing", err)
		}
		t := &tx{Tx: btx}
		spoiler := wr.run(t, batch)
		if spoiler < 0 {
			return wr.finish(t)
		}
		if err := btx.Rollback(); err != nil {
			return storeError("writing", err)
		}
		batch = append(batch[:spoiler], batch[spoiler+1:]...)
	}
}

// run runs each of the batch in t, and stops at one that spoiled t: it returns
// its index, else -1.
func (wr *writer) run(t *tx, batch []*write) (spoiler int) {
	for i, w := range batch {
		t.changed = false
		w.err = wr.contain(t, w.run)
		wr.store.pages.touched(t.Tx, pagesPerWrite)
		if w.err != nil && t.changed {
			return i
		}
		t.dirty = t.dirty || t.changed
	}
	return -1
}

// contain makes an error of a panic in run.
func (wr *writer) contain(t *tx, run func(*tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			t.changed = true // who knows
			wr.store.logger.Error("panic in a write to the store", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in a write to the store: %v", p)
		}
	}()
	return run(t)
}

// finish commits t, where there is anything to commit.
func (wr *writer) finish(t *tx) error {
	if !t.dirty {
		if err := t.Rollback(); err != nil {
			return storeError("writing", err)
		}
		return nil
	}
	id, fresh := t.ID(), t.freshCount()
	err := commit(t.Tx)
	if before := wr.failing.Swap(err != nil); err != nil && !before {
		wr.store.logger.Error("the store can't be written", "error", err)
	}
	if err == nil {
		wr.store.flushed.advance(id)
		wr.fresh = fresh
		return nil
	}
	wr.fence(id, err)
	return storeError("writing", err)
}

var errPanicked = errors.New("panic while committing")

func commit(t *bbolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	return t.Commit()
}

// fence decides whether the store may go on after the commit of transaction id
// failed. It may while the file's newest valid root is an older one: all that
// was written went to pages that are free in it. Where the new root was
// written and its flush failed, no one knows which of the two is on the disk,
// and a later success would hide that (the kernel reports a failed flush
// once). Then nothing more is read or written until the file is opened anew.
func (wr *writer) fence(id int, cause error) {
	if !errors.Is(cause, errPanicked) {
		rtx, err := wr.store.db.Begin(false)
		if err == nil {
			newest := rtx.ID()
			err = rtx.Rollback()
			if err == nil && newest < id {
				return
			}
		}
	}
	wr.store.flushed.fail(fmt.Errorf("the store must be opened anew: %w", cause))
}
