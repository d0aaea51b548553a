package revocation

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/ca"
	"signet/revocation/ocsp"
)

// A Responder answers OCSP requests about the issuer's certificates from the
// store, signed by a delegated key that it renews by itself; never by the CA's
// (RFC 6960, Section 4.2.2.2). Answers without a nonce it signs ahead and keeps,
// for as long as the store says that nothing was revoked or released since. It
// is safe for concurrent use.
type Responder struct {
	store  Store
	issuer *ca.Issuer
	times  *atomic.Pointer[Times]
	issue  func(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error)
	logger *slog.Logger
	now    func() time.Time

	forms     *certIDForms
	signer    atomic.Pointer[signer] // nil before the first, and after one was revoked
	dismissed chan struct{}          // told of the latter; holds one
	lacking   atomic.Bool            // whether it was logged that there is none
	answers   answers
	changed   chan ca.Serial // what was revoked or released just now
	bodies    sync.Pool      // of *shortRequest
	buffers   sync.Pool      // of *[maxNonced]byte

	changeMu sync.Mutex // owns the two below
	revision uint64     // the latest of the store's that was seen
	changeAt int64      // and when it was seen first, in seconds since 1970
}

func newResponder(c Config, times *atomic.Pointer[Times]) (*Responder, error) {
	forms, err := newCertIDForms(c.Issuer.Certificate())
	if err != nil {
		return nil, err
	}
	r := &Responder{
		store: c.Store, issuer: c.Issuer, times: times,
		issue: c.IssueResponder, logger: c.Logger, now: c.Now,
		forms: forms, dismissed: make(chan struct{}, 1), changed: make(chan ca.Serial, maxChanged),
		bodies:   sync.Pool{New: func() any { return new(shortRequest) }},
		buffers:  sync.Pool{New: func() any { return new([maxNonced]byte) }},
		changeAt: c.Now().Unix(),
	}
	r.SetMemory(c.OCSPMemory)
	if usable(c.OCSPSigner, c.Issuer.Certificate()) {
		s, err := newSigner(c.OCSPSigner)
		if err != nil {
			return nil, err
		}
		r.signer.Store(s)
	} else if c.OCSPSigner.Certificate != nil {
		c.Logger.Warn("the configured OCSP signer is not this issuer's; a new one will be issued")
	}
	return r, nil
}

// defaultMemory is [Config.OCSPMemory] where that is 0: some two thousand answers.
const defaultMemory = 2 << 20

// SetMemory bounds the kept answers anew; see [Config.OCSPMemory].
func (r *Responder) SetMemory(octets int64) {
	if octets == 0 {
		octets = defaultMemory
	}
	r.answers.setLimit(max(octets, 0))
}

// run keeps the signer and the kept answers current until ctx ends.
func (r *Responder) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.renewals(ctx) })
	g.Go(func() error { return r.signAhead(ctx) })
	return g.Wait()
}

// An Answer is an OCSPResponse with what HTTP caches are told of it.
type Answer struct {
	DER []byte
	// Cacheable is false for errors, for answers with a nonce, and where the
	// status is unknown; the fields below are then zero.
	Cacheable            bool
	Produced, NextUpdate time.Time
	ETag                 string
}

// Answer answers the DER of an OCSPRequest. What goes wrong is in the answer.
func (r *Responder) Answer(ctx context.Context, der []byte) Answer {
	now := r.now()
	k, der := r.respond(ctx, der, now)
	if k == nil {
		return Answer{DER: der}
	}
	return Answer{
		DER: k.der(), Cacheable: true, ETag: k.fieldsAt(now.Unix()).etag[0],
		Produced: time.Unix(k.produced, 0).UTC(), NextUpdate: time.Unix(k.next, 0).UTC(),
	}
}

// respond answers the DER of an OCSPRequest: with k where caches may have it, with
// the answer's DER otherwise.
func (r *Responder) respond(ctx context.Context, request []byte, now time.Time) (k *kept, der []byte) {
	parsed, err := ocsp.ParseRequest(request)
	if err != nil {
		r.logger.Debug("OCSP request refused", "error", err)
		return nil, ocsp.ErrorResponse(ocsp.MalformedRequest)
	}
	k, der, err = r.answer(ctx, parsed, now)
	var status ocsp.ErrorStatus
	switch {
	case err == nil:
		return k, der
	case errors.As(err, &status):
	case ctx.Err() != nil:
		status = ocsp.TryLater
	default:
		status = ocsp.InternalError
		r.logger.Error("OCSP request failed", "error", err)
	}
	return nil, ocsp.ErrorResponse(status)
}

// answer fails with an ocsp.ErrorStatus where that is the answer.
func (r *Responder) answer(ctx context.Context, request *ocsp.Request, now time.Time) (*kept, []byte, error) {
	if len(request.CertIDs) == 1 && request.Nonce == nil {
		if key, ok := r.forms.ofID(request.CertIDs[0].Raw); ok {
			return r.current(ctx, key, now)
		}
	}
	for _, id := range request.CertIDs {
		// RFC 5019, Section 2.2.3: unauthorized where the responder "is not capable
		// of responding authoritatively". Our delegated key speaks for one issuer.
		if !id.IssuedBy(r.issuer.Certificate()) {
			return nil, nil, ocsp.Unauthorized
		}
	}
	revision, s, err := r.state(ctx, now)
	if err != nil {
		return nil, nil, err
	}
	t := ocsp.Template{ProducedAt: now, Nonce: request.Nonce}
	cacheable := request.Nonce == nil
	for _, id := range request.CertIDs {
		v, _, err := r.verdict(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		// Of unknown ones there are as many as anyone cares to send, and one may be issued next.
		cacheable = cacheable && v.status != ocsp.Unknown
		t.Singles = append(t.Singles, r.single(id, v, s, now))
	}
	der, err := s.Append(nil, &t)
	if err != nil || !cacheable {
		return nil, der, err
	}
	k := newKept(answerKey{}, der, t, finding{revision: revision, signer: s}) // for its header fields: it is not kept
	return k, nil, nil
}

// state is the store's revision, and the signer that is good as of it.
func (r *Responder) state(ctx context.Context, now time.Time) (uint64, *signer, error) {
	revision, err := r.store.Revision(ctx, r.issuer.ID())
	if err != nil {
		return 0, nil, fmt.Errorf("reading the revision: %w", err)
	}
	s, err := r.signerFor(ctx, revision, now)
	switch {
	case err != nil:
	case s == nil:
		if r.lacking.CompareAndSwap(false, true) {
			r.logger.Error("there is no valid OCSP signer; answering tryLater until there is one")
		}
		err = ocsp.TryLater
	case r.lacking.Load():
		r.lacking.Store(false)
	}
	return revision, s, err
}

// current is the answer about key as of now, kept or signed anew and kept. Where the
// serial is none of ours, it is DER that is not to be kept.
func (r *Responder) current(ctx context.Context, key answerKey, now time.Time) (*kept, []byte, error) {
	f, err := r.find(ctx, key, now)
	if err != nil {
		return nil, nil, err
	}
	// What was kept before may still be right, though something was revoked.
	old := r.answers.get(key)
	if old != nil && old.signer == f.signer && old.what == f.what && old.servable(now.Unix()) {
		old.revision.Store(f.revision)
		old.touch()
		return old, nil, nil
	}
	k, der, err := r.sign(key, f, now)
	if k != nil {
		k.touch()
		r.answers.put(k)
	}
	return k, der, err
}

// A finding is all that an answer is made from. The revision was read before the rest.
type finding struct {
	revision uint64
	signer   *signer
	what     verdict
	ends     time.Time // the certificate
}

func (r *Responder) find(ctx context.Context, key answerKey, now time.Time) (f finding, err error) {
	if f.revision, f.signer, err = r.state(ctx, now); err == nil {
		f.what, f.ends, err = r.verdict(ctx, r.forms.certID(key))
	}
	return f, err
}

// sign signs what was found about key: to be kept, or not where there is no such certificate.
func (r *Responder) sign(key answerKey, f finding, now time.Time) (*kept, []byte, error) {
	single := r.single(r.forms.certID(key), f.what, f.signer, now)
	t := ocsp.Template{ProducedAt: now, Singles: []ocsp.Single{single}}
	der, err := f.signer.Append(nil, &t)
	if err != nil || f.what.status == ocsp.Unknown {
		return nil, der, err
	}
	k := newKept(key, der, t, f)
	k.dated = k.produced > r.changedAt(f.revision, k.produced)
	return k, nil, nil
}

// verdict reads what has become of one certificate. A serial that this issuer
// never gave is unknown, not good. ends is when the certificate does.
func (r *Responder) verdict(ctx context.Context, id ocsp.CertID) (v verdict, ends time.Time, err error) {
	v.status = ocsp.Unknown
	serial, ok := ca.SerialOf(id.Serial)
	if !ok {
		return v, ends, nil
	}
	cert, err := r.store.Certificate(ctx, r.issuer.ID(), serial)
	switch {
	case errors.Is(err, ErrNotFound):
		return v, ends, nil
	case err != nil:
		return v, ends, fmt.Errorf("reading the status of %s: %w", serial, err)
	case cert.Revoked(): // on hold too: RFC 6960, Section 2.2
		v = verdict{ocsp.Revoked, cert.Revocation.Reason, cert.Revocation.At.Unix()}
	default:
		v.status = ocsp.Good
	}
	return v, cert.NotAfter, nil
}

// single says v of id. It holds no longer than the certificates that it is
// verified with.
func (r *Responder) single(id ocsp.CertID, v verdict, s *signer, now time.Time) ocsp.Single {
	next := now.Add(r.times.Load().OCSPLifetime)
	for _, c := range []*x509.Certificate{s.Certificate, r.issuer.Certificate()} {
		if next.After(c.NotAfter) {
			next = c.NotAfter
		}
	}
	return ocsp.Single{
		ID: id, Status: v.status, RevokedAt: time.Unix(v.at, 0), Reason: v.reason,
		ThisUpdate: now.Add(-clockSlack), NextUpdate: next,
	}
}

// changedAt notes the store's revision as of that second, and returns when it was
// last seen to change.
func (r *Responder) changedAt(revision uint64, second int64) int64 {
	r.changeMu.Lock()
	defer r.changeMu.Unlock()
	if revision > r.revision {
		r.revision, r.changeAt = revision, second
	}
	return r.changeAt
}
