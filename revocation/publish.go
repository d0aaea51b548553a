package revocation

import (
	"context"
	"time"
)

// How run paces itself.
const (
	// A burst of revocations shares a CRL: after the first, others are waited for so many
	// times as long as making the last CRL took, within these bounds.
	gatherTimes = 5
	gatherLeast = 50 * time.Millisecond
	gatherMost  = 500 * time.Millisecond

	watch    = time.Minute // between looks at the wall clock and at the root's CRL
	firstTry = time.Second // after a failure, doubling up to lastTry
	lastTry  = time.Minute
)

// run makes CRLs at once, since revocations may have come while no one ran,
// then whenever some are due, until ctx ends.
func (p *Publisher) run(ctx context.Context) error {
	due, woken, retry := true, false, firstTry
	for {
		p.watchClock()
		wait := p.untilDue()
		if due = due || wait <= 0; due || woken {
			err := p.refresh(ctx, !due)
			if due = err != nil; due && ctx.Err() == nil {
				p.logger.Error("no CRL could be made; trying again", "error", err, "in", retry)
				wait, retry = retry, min(2*retry, lastTry)
			} else {
				wait, retry = p.untilDue(), firstTry
			}
		}
		if p.root != nil {
			p.root.watch(p.now())
		}
		var ended bool
		if woken, ended = p.await(ctx, wait, due); ended {
			return nil
		}
	}
}

// await waits for d by the wall clock, as far as that is known, for something to be
// revoked, or for ctx to end. With failed, d is waited for anyway.
func (p *Publisher) await(ctx context.Context, d time.Duration, failed bool) (woken, ended bool) {
	// A timer doesn't know when the wall clock is set, or the machine sleeps.
	timer := time.NewTimer(min(d, watch))
	defer timer.Stop()
	wake := p.wake
	if failed {
		wake = nil // the next try has it all
	}
	select {
	case <-ctx.Done():
		return false, true
	case <-timer.C:
		return false, false
	case <-wake:
	}
	select {
	case <-ctx.Done():
		return true, true
	case <-time.After(p.gather()):
		return true, false
	}
}

// gather is how long a burst is waited for: with few entries hardly at all, and with
// many so that CRLs take no more than a sixth of the time. The rest is for
// revocations, which are to be answered as fast as with few.
func (p *Publisher) gather() time.Duration {
	return min(max(gatherTimes*time.Duration(p.took.Load()), gatherLeast), gatherMost)
}

// shown reports whether the CRLs in force show all there is, with the settings in force:
// whoever revokes and then waits for the CRL wakes run twice, and once is enough. The
// caller holds p.turn.
func (p *Publisher) shown(ctx context.Context) bool {
	if p.remake.Load() || p.base.number == 0 {
		return false
	}
	revision, err := p.store.Revision(ctx, p.issuer.ID())
	return err == nil && revision == p.seen
}

// watchClock tells of a wall clock that was set. What is to be done follows from
// the times on the CRLs: see untilDue.
func (p *Publisher) watchClock() {
	jump := p.clock.look()
	if jump == 0 {
		return
	}
	direction := "forward"
	if jump < 0 {
		direction = "back"
	}
	p.logger.Warn("the clock was set "+direction+": CRLs that don't fit the time are made anew",
		"by", jump.Abs().Round(time.Second), "now", p.now().UTC().Format(time.RFC3339))
}

// untilDue is how long the CRLs in force can stay: until nextUpdate less the
// overlap. One from the future, made while the clock was wrong, can't: relying
// servers would refuse it.
func (p *Publisher) untilDue() time.Duration {
	now, overlap := p.now(), p.times.Load().CRLOverlap
	least := time.Duration(1<<63 - 1)
	for _, s := range *p.scopes.Load() {
		l := s.list.Load()
		if l == nil || l.ThisUpdate.After(now) {
			return 0
		}
		least = min(least, l.NextUpdate.Add(-overlap).Sub(now))
	}
	return least
}
