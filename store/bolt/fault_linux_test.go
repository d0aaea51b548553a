package bolt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/ca"
)

// faultsChild enrolls one after the other and says how each went; then it reads.
func faultsChild() {
	ctx := context.Background()
	s, l := openChild()
	var last ca.Serial
	for range 150 {
		e, err := l.enrollment(ctx)
		if err == nil {
			_, _, err = s.RecordEnrollment(ctx, e)
		}
		if err != nil {
			fmt.Println("failed:", err)
			continue
		}
		last = e.Certificate.Serial
		fmt.Println("recorded", last)
	}
	_, err := s.Certificate(ctx, "0123456789abcdef", last)
	fmt.Println("read:", err)
}

// A flush fails, of data or of the root: strace counts them for each thread, so it
// takes a few runs to have had both. A failed flush of data spoils one commit.
// After one of the root no one knows what is on the disk, and nothing may be
// answered until the file is opened anew.
func TestFlushFails(t *testing.T) {
	strace, data, root := needStrace(t), 0, 0
	for when := 20; (data == 0 || root == 0) && when < 60; when++ {
		dir := t.TempDir()
		out := runChild(t, childCommand(t.Context(), "faults", dir, strace, "-f", "-o", os.DevNull,
			"-e", "trace=fdatasync", "-e", fmt.Sprintf("inject=fdatasync:error=EIO:when=%d+1000", when)))
		if !strings.Contains(out, "failed: writing the store: input/output error") {
			continue // strace counts for each thread, and none of them flushed so often
		}
		_, after, broken := strings.Cut(out, "must be opened anew")
		if broken {
			root++
		} else {
			data++
		}
		if broken && (strings.Contains(after, "recorded") || strings.Contains(after, "read: <nil>")) {
			t.Errorf("it went on:\n%s", out)
		}
		if !broken && !strings.Contains(out, "read: <nil>") {
			t.Errorf("it is of no use:\n%s", out)
		}
		checkRecorded(t, dir, out)
	}
	if data == 0 || root == 0 {
		t.Errorf("%d flushes of data have failed and %d of the root, want some of each", data, root)
	}
}

// checkRecorded opens the child's store and finds all that it said it had recorded.
func checkRecorded(t *testing.T, dir, out string) {
	t.Helper()
	s := openIn(t, dir)
	n := 0
	for line := range strings.Lines(out) {
		hex, ok := strings.CutPrefix(strings.TrimSpace(line), "recorded ")
		if !ok {
			continue
		}
		serial, err := ca.ParseSerial(hex)
		if err == nil {
			_, err = s.Certificate(t.Context(), "0123456789abcdef", serial)
		}
		if err != nil {
			t.Errorf("certificate %s: %v", hex, err)
		}
		n++
	}
	if n == 0 {
		t.Errorf("nothing was recorded:\n%s", out)
	}
	s.Close()
	checkFile(t, filepath.Join(dir, "signet.db"))
}
