package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
)

// revokeFlushesChild enrolls 100 times, then revokes as many of those as it is told, one
// after the other, and says how each went.
func revokeFlushesChild() {
	ctx := context.Background()
	s, l := openChild()
	n, _ := strconv.Atoi(os.Getenv(countEnv))
	var mu sync.Mutex
	var serials []ca.Serial
	if err := l.run(ctx, 32, 100, func(c ca.Serial) {
		mu.Lock()
		defer mu.Unlock()
		serials = append(serials, c)
	}); err != nil {
		fmt.Println("failed:", err)
	}
	for _, serial := range serials[:min(n, len(serials))] {
		what := ca.Revocation{At: time.Now(), Reason: ca.KeyCompromise, By: audit.Operator}
		if err := s.Revoke(ctx, oldIssuer, serial, what, audit.Event{Action: "certificate.revoke"}); err != nil {
			fmt.Println("failed:", err)
			continue
		}
		revision, err := s.Revision(ctx, oldIssuer)
		fmt.Println("revoked", serial, revision, err)
	}
	_ = s.Close()
}

// Counted by strace: a revocation costs two flushes, as every write does that comes alone.
func TestFlushesPerRevocation(t *testing.T) {
	strace := needStrace(t)
	count := func(n int) int {
		dir := t.TempDir()
		log := filepath.Join(dir, "strace.log")
		c := childCommand(t.Context(), "revokeflushes", dir, strace, "-f", "--seccomp-bpf", "-o", log, "-e", "trace=fsync,fdatasync,msync")
		c.Env = append(c.Env, countEnv+"="+strconv.Itoa(n))
		runChild(t, c)
		out, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return len(flushCall.FindAll(out, -1))
	}
	// Enrolling, which many do at once, takes a few more or less each time.
	if with, without := count(100), count(0); with-without < 150 || with-without > 250 {
		t.Errorf("100 revocations cost %d flushes, want 200", with-without)
	}
}

// A flush fails while revoking: no revision is ahead of the disk, and all parts say the same.
func TestFlushFailsRevoking(t *testing.T) {
	strace, failed, told := needStrace(t), 0, uint64(0)
	for when := 40; when < 46; when++ {
		dir := t.TempDir()
		c := childCommand(t.Context(), "revokeflushes", dir, strace, "-f", "-o", os.DevNull,
			"-e", "trace=fdatasync", "-e", fmt.Sprintf("inject=fdatasync:error=EIO:when=%d+1000", when))
		c.Env = append(c.Env, countEnv+"=100")
		out := runChild(t, c)
		if !strings.Contains(out, "failed: writing the store: input/output error") {
			continue // strace counts for each thread, and none of them flushed so often
		}
		failed++
		told = max(told, checkRevoked(t, dir, out))
	}
	// A thread may have had its turn while the certificates were still being enrolled.
	if failed == 0 || told == 0 {
		t.Errorf("%d runs had a flush that failed, and revision %d was told", failed, told)
	}
}

// checkRevoked opens the child's store and finds all that it said it had revoked, up to
// the revision it returns.
func checkRevoked(t *testing.T, dir, out string) (told uint64) {
	t.Helper()
	s := openIn(t, dir)
	defer s.Close()
	for line := range strings.Lines(out) {
		var hex string
		var revision uint64
		if _, err := fmt.Sscanf(line, "revoked %s %d", &hex, &revision); err != nil {
			continue
		}
		told = max(told, revision)
		serial, err := ca.ParseSerial(hex)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Certificate(t.Context(), oldIssuer, serial)
		if err != nil || c.Revocation == nil {
			t.Errorf("%s was revoked, and is not (%v)", serial, err)
		}
	}
	revision, err := s.Revision(t.Context(), oldIssuer)
	if err != nil || revision < told {
		t.Errorf("revision %d was told, and it is %d (%v)", told, revision, err)
	}
	if err := s.CheckRevocations(t.Context(), oldIssuer); err != nil {
		t.Error(err)
	}
	if _, err := s.Changed(t.Context(), oldIssuer, told, func(revocation.Entry) bool { return true }); errors.Is(err, revocation.ErrRevision) {
		t.Error(err)
	}
	return told
}
