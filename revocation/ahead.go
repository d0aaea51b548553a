package revocation

import (
	"context"
	"errors"
	"time"

	"signet/ca"
	"signet/revocation/ocsp"
)

// How answers are signed ahead.
const (
	// lookEvery is how often it is looked whether certificates were issued, or
	// answers grew old.
	lookEvery = 5 * time.Second
	// patience is how long certificates wait for a moment in which none is issued.
	patience = time.Minute
	// After workSpan of work there is restSpan of rest, so that at most a
	// twentieth of one processor goes into what nobody waits for; less on a busy
	// machine, where the same work takes longer.
	workSpan, restSpan = 5 * time.Millisecond, 95 * time.Millisecond
	// aheadBatch is how many certificates are read from the store at once.
	aheadBatch = 256
	// knownEnough is after how many answers in a row that are kept already the
	// older ones are taken to be too.
	knownEnough = 4 * aheadBatch
	// maxChanged bounds the revocations that wait for their answer to be signed
	// anew. Beyond it, that happens when someone asks.
	maxChanged = 1024
)

// notify says that the certificate was revoked or released. It never waits.
func (r *Responder) notify(serial ca.Serial) {
	select {
	case r.changed <- serial:
	default: // whoever asks gets the new answer all the same
	}
}

// signAhead signs what will be asked for before it is, until ctx ends.
func (r *Responder) signAhead(ctx context.Context) error {
	a := &ahead{Responder: r}
	timer := time.NewTicker(lookEvery)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case serial := <-r.changed:
			err = a.resign(ctx, serial)
		case <-timer.C:
			err = a.look(ctx)
		}
		// Without a signer there is a complaint already; it is the renewal's.
		if err != nil && ctx.Err() == nil && !errors.Is(err, ocsp.TryLater) {
			r.logger.Warn("OCSP answers can't be signed ahead; they are signed when asked for", "error", err)
		}
	}
}

// An ahead is the state of signAhead, and its own.
type ahead struct {
	*Responder
	began time.Time // when the work since the last rest did

	// What the last walk has seen: the answers' era, the youngest certificate, and
	// whether it came to the oldest one.
	walked bool
	era    int
	newest ca.Serial
	all    bool

	latest ca.Serial // the youngest certificate at the last look
	since  time.Time // when there was one first that no walk has seen; zero for none
}

// resign signs the kept answers about a certificate anew, whose status changed.
func (a *ahead) resign(ctx context.Context, serial ca.Serial) error {
	for form := range a.forms.forms {
		k := a.answers.get(answerKey{uint8(form), serial})
		if k == nil {
			continue
		}
		if err := a.renew(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// look renews what grew old, and signs for certificates that have no answer yet.
func (a *ahead) look(ctx context.Context) error {
	a.began = time.Now()
	for _, k := range a.answers.due(a.now().Unix()) {
		if err := a.renew(ctx, k); err != nil {
			return err
		}
		if err := a.rest(ctx); err != nil {
			return err
		}
	}
	newest, err := a.batch(ctx, ca.Serial{}, 1)
	if err != nil || len(newest) == 0 {
		return err
	}
	room, era := a.answers.room()
	switch {
	case !a.walked || era != a.era:
		return a.walk(ctx, newest[0].serial, true)
	case newest[0].serial != a.newest && a.quiet(newest[0].serial):
		return a.walk(ctx, newest[0].serial, false)
	case room && !a.all:
		return a.walk(ctx, newest[0].serial, true)
	}
	return nil
}

// quiet reports whether none was issued since the last look, or the others have
// waited long enough: who issues by the thousand is not to be slowed.
func (a *ahead) quiet(newest ca.Serial) bool {
	now := a.now()
	if a.since.IsZero() {
		a.since = now
	}
	quiet := newest == a.latest || now.Sub(a.since) >= patience
	a.latest = newest
	return quiet
}

// renew signs k anew and has the new one in its place. One that nobody asked for
// is let go where its certificate has ended, or where it was signed because
// somebody asked in an unusual form.
func (a *ahead) renew(ctx context.Context, k *kept) error {
	now := a.now()
	f, err := a.find(ctx, k.key, now)
	if err != nil {
		return err
	}
	if wanted := k.asked.Load() || k.key.form == aheadForm && f.ends.After(now); !wanted || f.what.status == ocsp.Unknown {
		a.answers.forget(k)
		return nil
	}
	next, _, err := a.sign(k.key, f, now)
	if err == nil {
		a.answers.replace(k, next)
	}
	return err
}

// walk goes from the youngest certificate to the oldest and signs for those in force
// that have no answer, until there is no room. Where not full, it ends where answers
// begin that earlier walks have signed.
func (a *ahead) walk(ctx context.Context, newest ca.Serial, full bool) error {
	_, era := a.answers.room()
	a.walked, a.era, a.newest, a.all, a.since = true, era, newest, false, time.Time{}
	var behind *kept
	var before ca.Serial
	for known := 0; full || known < knownEnough; {
		batch, err := a.batch(ctx, before, aheadBatch)
		if err != nil {
			return err
		}
		for _, c := range batch {
			key := answerKey{aheadForm, c.serial}
			if k, unasked := a.answers.find(key); k != nil {
				known++
				if unasked {
					behind = k
				}
				continue
			}
			if !c.ends.After(a.now()) {
				continue
			}
			known = 0
			var room bool
			if behind, room, err = a.add(ctx, key, behind); err != nil || !room {
				return err
			}
		}
		if a.all = len(batch) == 0; a.all {
			return nil
		}
		before = batch[len(batch)-1].serial
	}
	return nil
}

// add signs for a certificate and keeps the answer behind that of the one that is
// next younger. It returns what [answers.add] does.
func (a *ahead) add(ctx context.Context, key answerKey, behind *kept) (*kept, bool, error) {
	now := a.now()
	f, err := a.find(ctx, key, now)
	if err != nil {
		return nil, false, err
	}
	k, _, err := a.sign(key, f, now)
	if err != nil || k == nil {
		return behind, true, err
	}
	behind, room := a.answers.add(k, behind)
	return behind, room, a.rest(ctx)
}

// An issued is what is looked at of a certificate.
type issued struct {
	serial ca.Serial
	ends   time.Time
}

// batch reads up to n certificates issued before that one. What has ended may be
// among them.
func (a *ahead) batch(ctx context.Context, before ca.Serial, n int) (batch []issued, err error) {
	err = a.store.Newest(ctx, a.issuer.ID(), before, func(serial ca.Serial, ends time.Time) bool {
		batch = append(batch, issued{serial, ends})
		return len(batch) < n
	})
	return batch, err
}

// rest sleeps after a span of work. What is revoked meanwhile doesn't wait for the end.
func (a *ahead) rest(ctx context.Context) error {
	if time.Since(a.began) < workSpan {
		return nil
	}
	rested := time.After(restSpan)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case serial := <-a.changed:
			if err := a.resign(ctx, serial); err != nil {
				return err
			}
		case <-rested:
			a.began = time.Now()
			return nil
		}
	}
}
