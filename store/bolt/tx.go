package bolt

import (
	"context"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// A tx is a transaction that knows whether it has changed anything.
type tx struct {
	*bbolt.Tx
	changed bool // by the write that runs now
	dirty   bool // by those before it
}

// get returns the value, which must be copied to outlive the transaction and must not be
// changed; nil where there is none.
func (t *tx) get(bucket, key []byte) []byte { return t.Bucket(bucket).Get(key) }

func (t *tx) has(bucket, key []byte) bool { return t.get(bucket, key) != nil }

// put stores value, which must not be changed until the transaction has ended.
func (t *tx) put(bucket, key, value []byte) error {
	b := t.Bucket(bucket)
	b.FillPercent = fill(bucket)
	err := b.Put(key, value)
	t.changed = t.changed || err == nil
	return err
}

func (t *tx) delete(bucket, key []byte) error {
	t.changed = true
	return t.Bucket(bucket).Delete(key)
}

// next is the bucket's next sequence number, from 1.
func (t *tx) next(bucket []byte) (uint64, error) {
	t.changed = true
	return t.Bucket(bucket).NextSequence()
}

// fill is how full a page is left when it is split. Where keys come in order,
// nothing will be added to the first half.
func fill(bucket []byte) float64 {
	switch &bucket[0] {
	case &bucketCerts[0], &bucketEvents[0], &bucketExpiry[0], &bucketNonces[0], &bucketCodeExpiry[0],
		&bucketChanges[0]:
		return 0.95
	}
	return bbolt.DefaultFillPercent
}

// view runs read in a read transaction, all of which is on disk.
func (s *Store) view(ctx context.Context, read func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	btx, err := s.db.Begin(false)
	if err != nil {
		return storeError("reading", err)
	}
	defer btx.Rollback() //nolint:errcheck // of a read
	if err := s.flushed.await(btx.ID()); err != nil {
		return err
	}
	err = read(&tx{Tx: btx})
	s.pages.touched(btx, pagesPerRead)
	return err
}

// flushed knows which transaction is the last on disk. bbolt lets a reader see a
// transaction from when its root is written, which is before that is flushed;
// an answer made of it might not outlive a power cut.
type flushed struct {
	last atomic.Int64

	mu    sync.Mutex // owns err, and with cond the change of last
	cond  sync.Cond
	err   error
	fails atomic.Bool // err != nil
}

func newFlushed(id int) *flushed {
	f := &flushed{}
	f.cond.L = &f.mu
	f.last.Store(int64(id))
	return f
}

// advance records that the transaction id is on disk.
func (f *flushed) advance(id int) {
	f.mu.Lock()
	f.last.Store(int64(id))
	f.mu.Unlock()
	f.cond.Broadcast()
}

// fail ends it all: every await and broken from now on is err.
func (f *flushed) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.fails.Store(true)
	f.mu.Unlock()
	f.cond.Broadcast()
}

func (f *flushed) broken() error {
	if !f.fails.Load() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// await waits until the transaction id, of which a reader has seen the root, is on disk.
func (f *flushed) await(id int) error {
	if f.last.Load() >= int64(id) && !f.fails.Load() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.last.Load() < int64(id) && f.err == nil {
		f.cond.Wait()
	}
	return f.err
}
