package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func openForTest(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "signet.db"), &Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// hold keeps the writer busy until the function returned is called.
func (s *Store) hold(t *testing.T) (release func()) {
	t.Helper()
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.update(context.Background(), func(*tx) error { close(begun); <-end; return nil }); err != nil {
			t.Error(err)
		}
	}()
	<-begun
	return func() { close(end); <-ended }
}

func putKey(key string) func(*tx) error {
	return func(t *tx) error { return t.put(bucketSecrets, []byte(key), []byte{1}) }
}

func keysOf(t *testing.T, s *Store) (keys []string) {
	t.Helper()
	err := s.view(t.Context(), func(t *tx) error {
		for k := range pairs(t.Bucket(bucketSecrets).Cursor(), nil) {
			keys = append(keys, string(k))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Writes that fail or panic, before and after they have changed something, in one
// batch with good ones: each has its own outcome and leaves nothing else.
func TestBatchWithBadWrites(t *testing.T) {
	s := openForTest(t)
	bad := errors.New("bad")
	release := s.hold(t)
	errs, want := make([]error, 60), []string(nil)
	var all sync.WaitGroup
	for i := range errs {
		key := fmt.Sprintf("key%02d", i)
		run := putKey(key)
		switch i % 6 {
		case 1:
			run = func(*tx) error { return bad }
		case 2:
			run = func(t *tx) error { return errors.Join(putKey(key)(t), bad) }
		case 3:
			run = func(t *tx) error { _ = putKey(key)(t); panic(bad) }
		case 4:
			run = func(t *tx) error { return errors.Join(putKey(key)(t), putKey("")(t)) } // bbolt refuses
		default:
			want = append(want, key)
		}
		all.Go(func() { errs[i] = s.update(t.Context(), run) })
	}
	for len(s.writer.queue) < len(errs) {
		time.Sleep(time.Millisecond)
	}
	release()
	all.Wait()
	for i, err := range errs {
		if good := i%6 == 0 || i%6 == 5; good != (err == nil) {
			t.Errorf("write %d: %v", i, err)
		}
		if i%6 == 3 && !strings.Contains(fmt.Sprint(err), "panic") {
			t.Errorf("write %d panicked: %v", i, err)
		}
	}
	if got := keysOf(t, s); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A write whose context ends while it waits is not run, and its caller doesn't wait.
func TestCancelledWhileQueued(t *testing.T) {
	s := openForTest(t)
	release := s.hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() {
		given <- s.update(ctx, func(*tx) error { t.Error("it ran"); return nil })
	}()
	for len(s.writer.queue) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	if err := s.update(t.Context(), putKey("after")); err != nil {
		t.Error(err)
	}
}

// A write that has begun is waited for, and its outcome is told.
func TestCancelledWhileRunning(t *testing.T) {
	s := openForTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.update(ctx, func(t *tx) error { cancel(); return putKey("key")(t) })
	if err != nil || len(keysOf(t, s)) != 1 {
		t.Errorf("got %v and keys %v", err, keysOf(t, s))
	}
}

// Writes that queue while one runs share a commit; what changes nothing commits nothing.
func TestOneCommitForAll(t *testing.T) {
	s := openForTest(t)
	before := s.flushed.last.Load()
	release := s.hold(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if err := s.update(t.Context(), putKey(fmt.Sprint("key", i))); err != nil {
				t.Error(err)
			}
		})
	}
	for len(s.writer.queue) < 100 {
		time.Sleep(time.Millisecond)
	}
	release()
	all.Wait()
	if n := s.flushed.last.Load() - before; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
	if err := s.update(t.Context(), func(*tx) error { return nil }); err != nil || s.flushed.last.Load() != before+1 {
		t.Errorf("a write that changes nothing: %v, %d commits", err, s.flushed.last.Load()-before)
	}
}

// A reader that sees a root not yet flushed waits for its flush, or fails with it.
func TestReadersWaitForTheFlush(t *testing.T) {
	for _, cause := range []error{nil, errors.New("disk on fire")} {
		f := newFlushed(7)
		if err := f.await(7); err != nil {
			t.Fatal(err)
		}
		given := make(chan error, 1)
		go func() { given <- f.await(8) }()
		select {
		case err := <-given:
			t.Fatalf("it didn't wait: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		if cause == nil {
			f.advance(8)
		} else {
			f.fail(cause)
		}
		if err := <-given; !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
		if err := f.await(7); !errors.Is(err, cause) {
			t.Errorf("an old root afterwards: %v, want %v", err, cause)
		}
	}
}

// Where a commit failed and its root is to be seen, the store is closed to all.
func TestFence(t *testing.T) {
	s, cause := openForTest(t), errors.New("disk on fire")
	last := int(s.flushed.last.Load())
	s.writer.fence(last+1, cause) // the root of last+1 was not written
	if err := s.update(t.Context(), putKey("key")); err != nil {
		t.Fatal(err)
	}
	s.writer.fence(last+1, cause) // it was
	if err := s.update(t.Context(), putKey("other")); !errors.Is(err, cause) {
		t.Errorf("writing: %v", err)
	}
	if err := s.view(t.Context(), func(*tx) error { return nil }); !errors.Is(err, cause) {
		t.Errorf("reading: %v", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, cause) {
		t.Errorf("ping: %v", err)
	}
}
