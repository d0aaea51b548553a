package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
)

// killedChild enrolls from 32 goroutines for ever, and says so after each.
func killedChild() {
	_, l := openChild()
	orDie(l.run(context.Background(), 32, 1<<40, func(s ca.Serial) {
		_, err := os.Stdout.WriteString(s.String() + "\n") // one write: whole lines
		orDie(err)
	}))
}

// Killed under load, again and again: what was acknowledged is there.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[ca.Serial]bool{}
	for round := range 4 {
		killOneOf(t, "killed", dir, 500+300*round, acknowledged)
		s := openIn(t, dir)
		stored := map[ca.Serial]bool{}
		err := s.Certificates(t.Context(), revocation.Filter{Leaf: true}, func(c ca.Certificate) bool {
			stored[c.Serial] = true
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		for serial := range acknowledged {
			if !stored[serial] {
				t.Errorf("round %d: %s was acknowledged and is lost", round, serial)
			}
		}
		events := 0
		err = s.Events(t.Context(), 0, func(e audit.Event) bool {
			if e.Action == "certificate.issue" {
				events++
			}
			return true
		})
		if err != nil || events != len(stored) {
			t.Errorf("round %d: %d certificates, %d log entries of them, %v", round, len(stored), events, err)
		}
		s.Close()
	}
	checkFile(t, filepath.Join(dir, "signet.db"))
}

// killOneOf kills a child of that name after it has acknowledged n enrollments, and adds all
// that it has acknowledged.
func killOneOf(t *testing.T, name, dir string, n int, acknowledged map[ca.Serial]bool) {
	t.Helper()
	c := childCommand(t.Context(), name, dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines, seen := bufio.NewScanner(out), 0
	for lines.Scan() {
		serial, err := ca.ParseSerial(lines.Text())
		if err != nil {
			t.Fatal(fmt.Errorf("%q: %w", lines.Text(), err))
		}
		if acknowledged[serial] {
			t.Errorf("serial number %s was used twice", serial)
		}
		acknowledged[serial] = true
		if seen++; seen == n {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = c.Wait() // it was killed
	if seen < n {
		t.Fatalf("the child %s enrolled only %d times", name, seen)
	}
}
