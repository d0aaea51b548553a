package revocation

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"signet/internal/atomicfile"
	"signet/internal/audit"
	"signet/revocation/crl"
)

// How run paces itself.
const (
	gather   = 50 * time.Millisecond // a burst of revocations shares a CRL
	watch    = time.Hour             // between looks at the root's CRL
	firstTry = time.Second           // after a failure, doubling up to lastTry
	lastTry  = time.Minute
)

// run makes a CRL at once, since revocations may have come while no one ran,
// then whenever one is due, until ctx ends.
func (p *Publisher) run(ctx context.Context) error {
	due, retry := true, firstTry
	for {
		wait := p.untilDue()
		if due || wait <= 0 {
			err := p.Refresh(ctx)
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
		if woken, ended := p.await(ctx, min(wait, watch)); ended {
			return nil
		} else if woken {
			due = true
		}
	}
}

// await waits for d, for something to be revoked, or for ctx to end.
func (p *Publisher) await(ctx context.Context, d time.Duration) (woken, ended bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, true
	case <-timer.C:
		return false, false
	case <-p.wake:
	}
	select {
	case <-ctx.Done():
		return true, true
	case <-time.After(gather):
		return true, false
	}
}

// untilDue is how long the CRL in force can stay: until nextUpdate less the overlap.
func (p *Publisher) untilDue() time.Duration {
	l := p.list.Load()
	if l == nil {
		return 0
	}
	return l.NextUpdate.Add(-p.times.Load().CRLOverlap).Sub(p.now())
}

// publish makes the next CRL and puts it out: in memory first, so that a full
// disk does not hide a revocation, then in the file. The caller holds p.turn.
func (p *Publisher) publish(ctx context.Context) error {
	number, err := p.nextNumber(ctx)
	if err != nil {
		return err
	}
	list, err := p.sign(ctx, number)
	if err != nil {
		return err
	}
	p.list.Store(list)
	p.push.announce(list.Issuer, list.Number.String())
	if p.file != "" {
		if err := atomicfile.Write(p.file, list.DER, 0o644); err != nil {
			p.logger.Error("the CRL is out, but not on disk: a restart would begin with the one before", "error", err)
		}
	}
	if err := p.store.CRLMade(ctx, list.Issuer, list.ThisUpdate, 0); err != nil {
		p.logger.Warn("expired entries stay on the CRL for another time", "error", err)
	}
	return nil
}

// maxNumberDraws bounds how far behind a store may be in one attempt.
const maxNumberDraws = 10_000

// nextNumber draws from the store until the number is above that of the CRL
// that is out. It is at the first draw, unless the store was restored from a
// backup: a number must not be used twice even then (RFC 5280, Section 5.2.3).
func (p *Publisher) nextNumber(ctx context.Context) (uint64, error) {
	out := p.list.Load()
	for range maxNumberDraws {
		n, err := p.store.NextCRLNumber(ctx, p.issuer.ID())
		if err != nil {
			return 0, fmt.Errorf("drawing a CRL number: %w", err)
		}
		if out == nil || new(big.Int).SetUint64(n).Cmp(out.Number) > 0 {
			return n, nil
		}
	}
	return 0, errors.New("drawing a CRL number: the store is far behind the CRL that is out; was it restored from an old backup?")
}

// sign makes the CRL with that number and verifies what came out.
func (p *Publisher) sign(ctx context.Context, number uint64) (*List, error) {
	now, issuer := p.now(), p.issuer.ID()
	e := audit.Event{
		Time: now.UTC(), Actor: audit.Server, Action: "crl.sign", Object: issuer,
		Detail: map[string]string{"number": strconv.FormatUint(number, 10)},
	}
	audit.Log(ctx, p.logger, "begin", e)
	der, err := crl.Create(p.issuer, crl.Template{
		Number: number, ThisUpdate: now.Add(-clockSlack), NextUpdate: now.Add(p.times.Load().CRLLifetime),
		Entries: func(yield func(crl.Entry) bool) error {
			return p.store.Revoked(ctx, issuer, func(e Entry) bool { return yield(e.line()) })
		},
	})
	if err != nil {
		audit.Log(ctx, p.logger, "failed", e)
		return nil, err
	}
	list, err := newList(der, p.issuer.Certificate(), p.modified(now))
	if err != nil {
		audit.Log(ctx, p.logger, "failed", e)
		return nil, fmt.Errorf("verifying the CRL just signed: %w", err)
	}
	e.Detail["entries"] = strconv.Itoa(list.Entries)
	audit.Log(ctx, p.logger, "end", e)
	return list, nil
}

// modified is now, or a second after the last CRL's if that was this second too:
// If-Modified-Since has no finer grain, and must not hide a revocation.
func (p *Publisher) modified(now time.Time) time.Time {
	now = now.Truncate(time.Second)
	if out := p.list.Load(); out != nil && !now.After(out.Modified) {
		return out.Modified.Add(time.Second)
	}
	return now
}
