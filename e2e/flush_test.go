package e2e

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/e2e/harness"
	"signet/enroll"
)

// Durability has its price in flushes to the disk, and sharing commits lowers
// it: at most 2 for a certificate with one client, half a one with 32.
func TestFlushesPerCertificate(t *testing.T) {
	for _, c := range []struct {
		clients, each int
		most          float64
	}{{1, 40, 2}, {32, 20, 0.5}} {
		t.Run(strconv.Itoa(c.clients), func(t *testing.T) {
			got := flushesPerCertificate(t, c.clients, c.each)
			t.Logf("%d clients: %.2f flushes per certificate", c.clients, got)
			if got > c.most {
				t.Errorf("more than %.1f", c.most)
			}
			if got == 0 {
				t.Error("no flush was counted: a certificate left before it was on disk, or strace saw nothing")
			}
		})
	}
}

func flushesPerCertificate(t *testing.T, clients, each int) float64 {
	server := newCA(t, nil)
	if _, err := output(t, "strace", "-V"); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	// -D: the server stays our child, and gets our signals.
	server.Wrap("strace", "-D", "-f", "--seccomp-bpf", "-ttt", "-o", trace, "-e", "trace=fsync,fdatasync,msync,sync_file_range,sync,syncfs")
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	addUser(t, server, "alice")
	codes := make(chan string, clients*each)
	for range clients * each {
		codes <- newCode(t, server, "alice")
	}
	applicant := newApplicant(t, server, 4711)

	from := time.Now()
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				if err := enrollOnce(t, server, applicant, <-codes); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	all.Wait()
	to := time.Now()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	return float64(countBetween(t, trace, from, to)) / float64(clients*each)
}

func enrollOnce(t *testing.T, server *harness.CA, a *harness.Applicant, code string) error {
	_, err := submit(t.Context(), server.Client(enroll.Credentials{Code: code}), a.CSR)
	return err
}

// countBetween counts the lines of a trace that were begun between two times;
// "<... resumed>" lines are the second half of one counted already.
func countBetween(t *testing.T, trace string, from, to time.Time) (n int) {
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || strings.HasPrefix(fields[2], "<...") || !strings.Contains(fields[2], "sync") {
			continue
		}
		seconds, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			continue
		}
		if at := time.UnixMicro(int64(seconds * 1e6)); at.After(from) && at.Before(to) {
			n++
		}
	}
	return n
}
