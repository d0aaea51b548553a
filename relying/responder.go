package relying

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"signet/revocation/ocsp"
)

// responders asks OCSP responders and remembers what they said.
type responders struct {
	*Config
	answers *memo[*answer]
	asking  chan struct{} // bounds how many are asked at once
}

const (
	// failedRest is how long a responder is left alone about a certificate after it
	// gave no answer: a request must not wait for a timeout each time.
	failedRest = 10 * time.Second
	// maxAsking bounds the questions that are open at once.
	maxAsking = 64
	// maxAnswer bounds what is read of one: longer than a responder's certificate
	// and its signature ever are.
	maxAnswer = 64 << 10
)

func newResponders(c *Config) *responders {
	return &responders{Config: c, answers: newMemo[*answer](c.OCSP.Answers), asking: make(chan struct{}, maxAsking)}
}

// An answer is what is known about one certificate. One asks, the others wait.
type answer struct {
	turn chan struct{} // a mutex that one can wait for with a context
	last atomic.Pointer[said]
}

// said is what came of asking.
type said struct {
	single  ocsp.Single
	known   bool      // whether single is there
	err     error     // why the last question had no answer
	renewAt time.Time // until then it is not asked again
}

// url is whom to ask about cert; "" for nobody.
func (r *responders) url(cert *x509.Certificate) string {
	if r.OCSP.URL != "" && !cert.IsCA {
		return r.OCSP.URL
	}
	for _, u := range cert.OCSPServer {
		if checkURL(u) == nil {
			return u
		}
	}
	return ""
}

// check is what the responder says of cert, in the manner of [level.check].
func (r *responders) check(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) (*Revocation, *failure) {
	single, err := r.status(ctx, cert, issuer, now)
	switch {
	case err != nil:
		return nil, &failure{reason: NoOCSP, err: err}
	case single.Status == ocsp.Revoked:
		return &Revocation{At: single.RevokedAt, Reason: single.Reason, Certificate: cert}, nil
	case single.Status == ocsp.Unknown:
		return nil, fail(Unknown, "the OCSP responder does not know the certificate")
	}
	return nil, nil
}

func (r *responders) status(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) (ocsp.Single, error) {
	url := r.url(cert)
	if url == "" {
		return ocsp.Single{}, errors.New("the certificate names no OCSP responder")
	}
	a := r.answers.getOr(answerKey(cert, issuer), func() *answer { return &answer{turn: make(chan struct{}, 1)} })
	if s := a.last.Load(); s != nil && now.Before(s.renewAt) {
		return s.result(now)
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return ocsp.Single{}, ctx.Err()
	}
	if s := a.last.Load(); s != nil && now.Before(s.renewAt) { // somebody asked while we waited
		return s.result(now)
	}
	s := r.ask(ctx, cert, issuer, url, now, a.last.Load())
	a.last.Store(s)
	return s.result(now)
}

// answerKey: a certificate by its issuer's key and its serial number.
func answerKey(cert, issuer *x509.Certificate) memoKey {
	h := sha256.New()
	h.Write(issuer.RawSubjectPublicKeyInfo)
	h.Write(cert.SerialNumber.Bytes())
	return memoKey(h.Sum(nil))
}

// result: an answer holds to its nextUpdate also when asking again failed, and a
// revocation longer than that.
func (s *said) result(now time.Time) (ocsp.Single, error) {
	if s.known && (s.err == nil || s.single.Status == ocsp.Revoked || s.single.NextUpdate.After(now)) {
		return s.single, nil
	}
	return ocsp.Single{}, s.err
}

// ask puts the question, for all who want to know: one visitor who hangs up must not spoil it.
func (r *responders) ask(ctx context.Context, cert, issuer *x509.Certificate, url string, now time.Time, before *said) *said {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.OCSP.Timeout)
	defer cancel()
	single, err := r.exchange(ctx, cert, issuer, url)
	if err != nil {
		r.Logger.Warn("an OCSP responder gives no answer", "url", url, "error", err)
		s := &said{err: err, renewAt: now.Add(failedRest)}
		if before != nil {
			s.single, s.known = before.single, before.known
		}
		return s
	}
	s := &said{single: single, known: true, renewAt: now.Add(r.OCSP.MaxAge)}
	if !single.NextUpdate.IsZero() && single.NextUpdate.Before(s.renewAt) {
		s.renewAt = single.NextUpdate
	}
	return s
}

func (r *responders) exchange(ctx context.Context, cert, issuer *x509.Certificate, url string) (ocsp.Single, error) {
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
		return ocsp.Single{}, ctx.Err()
	}
	query, err := r.query(cert, issuer)
	if err != nil {
		return ocsp.Single{}, err
	}
	question, err := query.Request()
	if err != nil {
		return ocsp.Single{}, err
	}
	der, err := r.post(ctx, url, question)
	if err != nil {
		return ocsp.Single{}, err
	}
	return query.Verify(der, r.Now())
}

func (r *responders) query(cert, issuer *x509.Certificate) (*ocsp.Query, error) {
	if r.OCSP.Nonce {
		return ocsp.NewQuery(cert, issuer)
	}
	return ocsp.NewPlainQuery(cert, issuer)
}

func (r *responders) post(ctx context.Context, url string, question []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", ocsp.RequestType)
	req.Header.Set("Accept", ocsp.ResponseType)
	resp, err := r.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking %s: HTTP status %s", url, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1)) // Verify refuses what is longer
}
