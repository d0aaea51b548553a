package revocation_test

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/ca"
	"signet/internal/logbook"
	"signet/revocation"
	"signet/revocation/crl"
)

// A wallClock is one that can be set.
type wallClock struct{ ahead atomic.Int64 }

func (c *wallClock) now() time.Time      { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *wallClock) set(d time.Duration) { c.ahead.Add(int64(d)) }

// TestClockThatIsSet: within a minute the CRL in force fits the time again, and the
// log has said so once.
func TestClockThatIsSet(t *testing.T) {
	for _, by := range []time.Duration{-365 * 24 * time.Hour, -time.Hour, 6 * time.Hour, 2 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			clock, log := new(wallClock), new(logbook.Book)
			w := newWorld(t, func(c *revocation.Config) {
				c.Now, c.Logger = clock.now, slog.New(slog.NewTextHandler(log, nil))
				c.CRLLifetime, c.CRLOverlap = 3*time.Hour, 2*time.Hour
				c.DeltaOf = ca.URLsAt("http://ca.example", "x").CRL
			})
			w.partition(2)
			w.run()
			time.Sleep(10 * time.Minute)
			numbers := map[int]*crl.List{}
			for n := range 3 {
				numbers[n] = w.list(w.scope(n), false)
			}
			clock.set(by)
			for range 10 {
				time.Sleep(time.Minute + time.Second)
				for n := range 3 {
					for _, delta := range []bool{false, true} {
						l := w.list(w.scope(n), delta)
						if err := crl.CheckFresh(l, clock.now(), 0); err != nil || l.NextUpdate.Sub(clock.now()) < 2*time.Hour-2*time.Minute {
							t.Fatalf("by %v, scope %d, delta %v: %v, from %v to %v", by, n, delta, err, l.ThisUpdate, l.NextUpdate)
						}
					}
				}
			}
			for n := range 3 {
				if l := w.list(w.scope(n), false); l.Number.Cmp(numbers[n].Number) <= 0 {
					t.Errorf("by %v: number %v after %v", by, l.Number, numbers[n].Number)
				}
			}
			if n := strings.Count(log.String(), "the clock was set"); n != 1 {
				t.Errorf("by %v: said %d times", by, n)
			}
		})
	}
}

// TestClockThatIsSetByMistake: certificates that have expired by a clock that was set
// forward are still on the CRL when it is put right.
func TestClockThatIsSetByMistake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := new(wallClock)
		w := newWorld(t, func(c *revocation.Config) { c.Now = clock.now })
		w.run()
		alice := w.issueFor(10 * 24 * time.Hour)
		w.revoke(alice, ca.KeyCompromise)
		time.Sleep(10 * time.Minute)
		clock.set(20 * 24 * time.Hour)
		time.Sleep(10 * time.Minute)
		w.revoke(w.issue("bob"), ca.KeyCompromise)
		time.Sleep(10 * time.Minute)
		clock.set(-20 * 24 * time.Hour)
		time.Sleep(10 * time.Minute)
		if _, ok := w.onCRL()[alice.Serial.String()]; !ok {
			t.Error("alice has left the CRL")
		}
		time.Sleep(20 * 24 * time.Hour)
		if _, ok := w.onCRL()[alice.Serial.String()]; ok {
			t.Error("alice stays on the CRL for ever")
		}
	})
}
