package bolt_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// How many to enroll, and from how many goroutines.
const (
	countEnv   = "SIGNET_BOLT_TEST_COUNT"
	writersEnv = "SIGNET_BOLT_TEST_WRITERS"
)

// flushesChild enrolls and exits.
func flushesChild() {
	s, l := openChild()
	n, _ := strconv.Atoi(os.Getenv(countEnv))
	writers, _ := strconv.Atoi(os.Getenv(writersEnv))
	orDie(l.run(context.Background(), writers, n, nil))
	orDie(s.Close())
}

// Counted by strace: what one enrollment costs in flushes, alone and in company.
func TestFlushesPerEnrollment(t *testing.T) {
	strace := needStrace(t)
	for _, test := range []struct {
		writers, count int
		most           float64
	}{{1, 300, 2}, {8, 600, 1}, {32, 1600, 0.5}} {
		t.Run(fmt.Sprintf("writers=%d", test.writers), func(t *testing.T) {
			with := flushes(t, strace, test.writers, test.count)
			// The first serial number reserves a block: one commit.
			without := flushes(t, strace, test.writers, 0) + 2
			each := float64(with-without) / float64(test.count)
			t.Logf("%d writers: %.3f flushes for each of %d enrollments", test.writers, each, test.count)
			if each > test.most || with <= without {
				t.Errorf("%d flushes with and %d without %d enrollments: %.3f each, want at most %.1f", with, without, test.count, each, test.most)
			}
		})
	}
}

func needStrace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is missing: apt-get install strace")
	}
	return path
}

var (
	flushCall = regexp.MustCompile(`(?m)\b(fsync|fdatasync|msync|sync|syncfs|sync_file_range)\(`)
	// syncWrites are flushes that no such call shows.
	syncWrites = regexp.MustCompile(`O_D?SYNC|RWF_D?SYNC`)
)

// flushes counts the flushes of a child that enrolls count times.
func flushes(t *testing.T, strace string, writers, count int) int {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "strace.log")
	c := childCommand(t.Context(), "flushes", dir, strace, "-f", "--seccomp-bpf", "-o", log,
		"-e", "trace=fsync,fdatasync,msync,sync,syncfs,sync_file_range,open,openat,pwritev2,io_uring_setup")
	c.Env = append(c.Env, countEnv+"="+strconv.Itoa(count), writersEnv+"="+strconv.Itoa(writers))
	runChild(t, c)
	out, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if m := syncWrites.Find(out); m != nil || strings.Contains(string(out), "io_uring_setup") {
		t.Fatalf("writes that flush by themselves (%s) aren't counted here", m)
	}
	return len(flushCall.FindAll(out, -1))
}
