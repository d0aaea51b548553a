package revocation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// ErrFilter is a filter that would choose every certificate there is.
var ErrFilter = errors.New("a filter that chooses nothing would take everything back")

// How a batch goes on.
const (
	batchStep = 1000        // certificates, between one word of progress and the next
	batchPace = time.Second // between CRLs on the way
	maxNamed  = 10          // serial numbers named in a Batch
)

// A Batch is what became of many certificates.
type Batch struct {
	Changed  int `json:"changed"`   // revoked, held or released now
	Already  int `json:"already"`   // were so before: revoked, or held, or not on hold
	NotFound int `json:"not_found"` // never issued by this issuer
	// Unknown are the first of those never issued.
	Unknown []ca.Serial `json:"unknown,omitempty"`
}

// Choose calls yield with each account's certificate that f lets through and that
// has not run out, revoked or not, until yield returns false: for a filter
// that says what RevokeAll and ReleaseAll are to take. ErrFilter for one that
// says nothing.
func (r *Revoker) Choose(ctx context.Context, f Filter, yield func(ca.Certificate) bool) error {
	if f.Account == "" && f.CardSerial == 0 && f.Profile == "" && f.ExpiresBefore.IsZero() {
		return ErrFilter
	}
	f.Issuer, f.Leaf = r.issuer, true
	now := r.now()
	err := r.store.Certificates(ctx, f, func(c ca.Certificate) bool { return now.After(c.NotAfter) || yield(c) })
	if err != nil {
		return fmt.Errorf("choosing certificates: %w", err)
	}
	return nil
}

// RevokeAll revokes for good, or holds where reason is certificateHold, each of
// those certificates, however many. What is revoked already stays as it is and
// is counted, so it can be stopped by ctx and called again. progress, which may
// be nil, hears now and then how far it has come. They share a CRL each second.
func (r *Revoker) RevokeAll(ctx context.Context, serials []ca.Serial, reason ca.Reason, by string, progress func(Batch)) (Batch, error) {
	action := "certificate.revoke"
	switch {
	case reason == ca.CertificateHold:
		action = "certificate.hold"
	case !lasting(reason):
		return Batch{}, fmt.Errorf("%w: %s", ErrReason, reason)
	}
	return r.all(serials, progress, func(part *batchPart) error {
		part.event = func(c ca.Certificate) audit.Event {
			e := r.event(action, c, by)
			e.Detail["reason"] = reason.String()
			return e
		}
		what := ca.Revocation{At: r.now().UTC().Truncate(time.Second), Reason: reason, By: by}
		return r.store.RevokeAll(ctx, r.issuer, part.serials, what, part.remember, part.did)
	})
}

// ReleaseAll takes the hold off each of those certificates, as RevokeAll revokes them.
func (r *Revoker) ReleaseAll(ctx context.Context, serials []ca.Serial, by string, progress func(Batch)) (Batch, error) {
	return r.all(serials, progress, func(part *batchPart) error {
		part.event = func(c ca.Certificate) audit.Event { return r.event("certificate.release", c, by) }
		return r.store.ReleaseAll(ctx, r.issuer, part.serials, part.remember, part.did)
	})
}

// all has do do its part for some of the serials after the other. They are in the
// order of the store's entries, which makes it cheaper there.
func (r *Revoker) all(serials []ca.Serial, progress func(Batch), do func(*batchPart) error) (Batch, error) {
	serials = slices.Clone(serials)
	slices.SortFunc(serials, func(a, b ca.Serial) int { return bytes.Compare(a[:], b[:]) })
	serials = slices.Compact(serials)
	defer r.publisher.notify()
	var total Batch
	told := r.now()
	for some := range slices.Chunk(serials, batchStep) {
		part := &batchPart{revoker: r, serials: some, total: &total, events: map[ca.Serial]audit.Event{}}
		if err := do(part); err != nil {
			return total, fmt.Errorf("after %d of %d certificates: %w", total.sum(), len(serials), err)
		}
		if progress != nil {
			progress(total)
		}
		if now := r.now(); now.Sub(told) >= batchPace {
			r.publisher.notify()
			told = now
		}
	}
	return total, nil
}

func (b *Batch) sum() int { return b.Changed + b.Already + b.NotFound }

// A batchPart is as much of a batch as goes to the store at once.
type batchPart struct {
	revoker *Revoker
	serials []ca.Serial
	total   *Batch
	event   func(ca.Certificate) audit.Event
	events  map[ca.Serial]audit.Event // those stored, for the log lines
}

// remember is event for the store.
func (p *batchPart) remember(c ca.Certificate) audit.Event {
	e := p.event(c)
	p.events[c.Serial] = e
	return e
}

// did hears of the store what is on disk.
func (p *batchPart) did(serial ca.Serial, changed bool, err error) {
	switch {
	case changed:
		p.total.Changed++
		p.revoker.responder.notify(serial)
		audit.Log(context.Background(), p.revoker.logger, "end", p.events[serial])
	case errors.Is(err, ErrNotFound):
		if p.total.NotFound++; p.total.NotFound <= maxNamed {
			p.total.Unknown = append(p.total.Unknown, serial)
		}
	default:
		p.total.Already++
	}
}
