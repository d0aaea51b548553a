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

// Flushes fail, now of data, now of the root: strace counts them for each thread,
// so which ones differs from run to run. A failed flush of data spoils one
// commit. After one of the root no one knows what is on the disk, and nothing
// may be answered until the file is opened anew.
func TestFlushFails(t *testing.T) {
	for _, when := range []string{"20+1000", "25+1000", "20+30", "44+17"} {
		t.Run(when, func(t *testing.T) {
			dir := t.TempDir()
			out := runChild(t, childCommand(t.Context(), "faults", dir, needStrace(t), "-f", "-o", os.DevNull,
				"-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when="+when))
			if !strings.Contains(out, "failed: writing the store: input/output error") {
				t.Errorf("no flush failed:\n%s", out)
			}
			_, after, broken := strings.Cut(out, "must be opened anew")
			if broken && (strings.Contains(after, "recorded") || strings.Contains(after, "read: <nil>")) {
				t.Errorf("it went on:\n%s", out)
			}
			if !broken && !strings.Contains(out, "read: <nil>") {
				t.Errorf("it is of no use:\n%s", out)
			}
			t.Log("a root's flush failed:", broken)
			checkRecorded(t, dir, out)
		})
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
