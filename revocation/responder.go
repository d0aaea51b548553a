package revocation

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/revocation/ocsp"
)

// A Responder answers OCSP requests about the issuer's certificates from the
// store, signed by a delegated key that it renews by itself; never by the CA's
// (RFC 6960, Section 4.2.2.2). It is safe for concurrent use.
type Responder struct {
	store  Store
	issuer *ca.Issuer
	times  *atomic.Pointer[Times]
	issue  func(ctx context.Context, pub crypto.PublicKey) (*x509.Certificate, error)
	logger *slog.Logger
	now    func() time.Time

	signer atomic.Pointer[ocsp.Signer] // nil before the first
	cache  answerCache
}

func newResponder(c Config, times *atomic.Pointer[Times]) *Responder {
	r := &Responder{
		store: c.Store, issuer: c.Issuer, times: times,
		issue: c.IssueResponder, logger: c.Logger, now: c.Now,
	}
	if usable(c.OCSPSigner, c.Issuer.Certificate()) {
		r.signer.Store(&c.OCSPSigner)
	} else if c.OCSPSigner.Certificate != nil {
		c.Logger.Warn("the configured OCSP signer is not this issuer's; a new one will be issued")
	}
	return r
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
	request, err := ocsp.ParseRequest(der)
	if err != nil {
		r.logger.Debug("OCSP request refused", "error", err)
		return Answer{DER: ocsp.ErrorResponse(ocsp.MalformedRequest)}
	}
	answer, err := r.answer(ctx, request)
	var status ocsp.ErrorStatus
	switch {
	case err == nil:
		return answer
	case errors.As(err, &status):
	case ctx.Err() != nil:
		status = ocsp.TryLater
	default:
		status = ocsp.InternalError
		r.logger.Error("OCSP request failed", "error", err)
	}
	return Answer{DER: ocsp.ErrorResponse(status)}
}

// answer fails with an ocsp.ErrorStatus where that is the answer.
func (r *Responder) answer(ctx context.Context, request *ocsp.Request) (Answer, error) {
	for _, id := range request.CertIDs {
		// RFC 5019, Section 2.2.3: unauthorized where the responder "is not capable
		// of responding authoritatively". Our delegated key speaks for one issuer.
		if !id.IssuedBy(r.issuer.Certificate()) {
			return Answer{}, ocsp.Unauthorized
		}
	}
	now := r.now()
	signer := r.validSigner(now)
	if signer == nil {
		r.logger.Error("there is no valid OCSP signer; answering tryLater")
		return Answer{}, ocsp.TryLater
	}
	t := ocsp.Template{ProducedAt: now, Nonce: request.Nonce}
	next := now.Add(r.times.Load().OCSPLifetime)
	if end := signer.Certificate.NotAfter; next.After(end) {
		next = end
	}
	for _, id := range request.CertIDs {
		single, err := r.status(ctx, id)
		if err != nil {
			return Answer{}, err
		}
		single.ThisUpdate, single.NextUpdate = now.Add(-clockSlack), next
		t.Singles = append(t.Singles, single)
	}
	return r.signed(t, *signer)
}

// status reads what has become of one certificate. A serial that this issuer
// never gave is unknown, not good.
func (r *Responder) status(ctx context.Context, id ocsp.CertID) (ocsp.Single, error) {
	single := ocsp.Single{ID: id, Status: ocsp.Unknown}
	serial, ok := ca.SerialOf(id.Serial)
	if !ok {
		return single, nil
	}
	cert, err := r.store.Certificate(ctx, r.issuer.ID(), serial)
	switch {
	case errors.Is(err, ErrNotFound):
		return single, nil
	case err != nil:
		return single, fmt.Errorf("reading the status of %s: %w", serial, err)
	case cert.Revoked(): // on hold too: RFC 6960, Section 2.2
		single.Status, single.RevokedAt, single.Reason = ocsp.Revoked, cert.Revocation.At, cert.Revocation.Reason
	default:
		single.Status = ocsp.Good
	}
	return single, nil
}

// signed signs the answer, unless the same one was signed not long ago.
func (r *Responder) signed(t ocsp.Template, signer ocsp.Signer) (Answer, error) {
	key, cacheable := cacheKey(t)
	if cacheable {
		if a, ok := r.cache.get(key, t.ProducedAt); ok {
			return a, nil
		}
	}
	der, err := ocsp.Create(t, signer)
	if err != nil || !cacheable {
		return Answer{DER: der}, err
	}
	a := Answer{
		DER: der, Cacheable: true, ETag: etag(der),
		Produced: t.ProducedAt.Truncate(time.Second), NextUpdate: t.Singles[0].NextUpdate,
	}
	// Half its time is left to whoever caches it after us.
	r.cache.put(key, a, t.ProducedAt.Add(a.NextUpdate.Sub(t.ProducedAt)/2))
	return a, nil
}
