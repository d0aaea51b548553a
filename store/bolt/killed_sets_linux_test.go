package bolt_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
	"signet/store/bolt"
)

// setOf is how many certificates each set of killedSetsChild's has; those with the main one's
// have its serial number for their subject.
const setOf = 4

// killedSetsChild enrolls sets from 8 goroutines for ever, and says so after each.
func killedSetsChild() {
	s, l := openChild()
	ctx := context.Background()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				e, err := l.enrollment(ctx)
				orDie(err)
				e.Certificate.Subject = e.Certificate.Serial.String()
				for len(e.With) < setOf-1 {
					n, err := l.enrollment(ctx)
					orDie(err)
					n.Certificate.Account, n.Certificate.Card, n.Certificate.Subject = e.Certificate.Account, e.Certificate.Card, e.Certificate.Subject
					e.With = append(e.With, n.Issuance)
				}
				certs, recorded, err := s.RecordEnrollment(ctx, e)
				orDie(err)
				if recorded && len(certs) == setOf {
					_, err = os.Stdout.WriteString(e.Certificate.Serial.String() + "\n")
					orDie(err)
				}
			}
		})
	}
	all.Wait()
}

// Killed under load, again and again: each set is there whole, or not at all, and those that
// were acknowledged are.
func TestKilledSets(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[ca.Serial]bool{}
	for round := range 4 {
		killOneOf(t, "killedsets", dir, 100+150*round, acknowledged)
		s := openIn(t, dir)
		sets, certs := map[string]int{}, 0
		err := s.Certificates(t.Context(), revocation.Filter{Leaf: true}, func(c ca.Certificate) bool {
			sets[c.Subject]++
			certs++
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		for set, n := range sets {
			if n != setOf {
				t.Errorf("round %d: set %s has %d certificates", round, set, n)
			}
		}
		for serial := range acknowledged {
			if sets[serial.String()] != setOf {
				t.Errorf("round %d: set %s was acknowledged and is lost", round, serial)
			}
		}
		checkSetsWhole(t, s, round, certs)
		s.Close()
	}
	checkFile(t, filepath.Join(dir, "signet.db"))
}

// checkSetsWhole finds what else one step has put on disk: an event for each certificate.
func checkSetsWhole(t *testing.T, s *bolt.Store, round, certs int) {
	t.Helper()
	events := 0
	err := s.Events(t.Context(), 0, func(e audit.Event) bool {
		if e.Action == "certificate.issue" {
			events++
		}
		return true
	})
	if err != nil || events != certs {
		t.Errorf("round %d: %d certificates, %d log entries of them, %v", round, certs, events, err)
	}
}
