package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Why an answer is not believed.
var (
	ErrSignature = errors.New("the OCSP answer is not signed by the issuer or its responder")
	ErrNonce     = errors.New("the OCSP answer does not repeat the question's nonce")
	ErrStale     = errors.New("the OCSP answer is not in force now")
	ErrNoAnswer  = errors.New("the OCSP answer is about another certificate")
)

// clockSlack is how far the responder's clock may be ahead of ours.
const clockSlack = 5 * time.Minute

// A Query asks about one certificate and judges the answer.
type Query struct {
	id     CertID
	issuer *x509.Certificate
	nonce  []byte
}

// NewQuery makes a question about cert, which issuer signed, with a fresh nonce
// of 32 octets (RFC 9654, Section 2.1).
func NewQuery(cert, issuer *x509.Certificate) (*Query, error) {
	q, err := NewPlainQuery(cert, issuer)
	if err != nil {
		return nil, err
	}
	q.nonce = make([]byte, 32)
	_, err = rand.Read(q.nonce)
	return q, err
}

// NewPlainQuery makes a question without a nonce, which a responder can answer
// with what it has signed before (RFC 5019, Section 2.1.1).
func NewPlainQuery(cert, issuer *x509.Certificate) (*Query, error) {
	id, err := NewCertID(issuer, cert.SerialNumber, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return &Query{id: id, issuer: issuer}, nil
}

// Request is the DER of the OCSPRequest.
func (q *Query) Request() ([]byte, error) {
	return (&Request{CertIDs: []CertID{q.id}, Nonce: q.nonce}).Marshal()
}

// Ask posts the question to a responder and judges the answer as [Query.Verify] does.
func (q *Query) Ask(ctx context.Context, client *http.Client, url string) (Single, error) {
	der, err := q.Request()
	if err != nil {
		return Single{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(der))
	if err != nil {
		return Single{}, fmt.Errorf("asking %s: %w", url, err)
	}
	req.Header.Set("Content-Type", RequestType)
	req.Header.Set("Accept", ResponseType)
	resp, err := client.Do(req)
	if err != nil {
		return Single{}, fmt.Errorf("asking %s: %w", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return Single{}, fmt.Errorf("asking %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return Single{}, fmt.Errorf("asking %s: HTTP status %s", url, resp.Status)
	}
	return q.Verify(body, time.Now())
}

// Verify returns what the DER of an OCSPResponse says of the certificate. It
// fails with an [ErrorStatus], [ErrMalformed], [ErrSignature], [ErrNonce],
// [ErrStale] or [ErrNoAnswer].
func (q *Query) Verify(der []byte, now time.Time) (Single, error) {
	r, err := parseResponse(der)
	if err != nil {
		return Single{}, err
	}
	if err := r.verify(q.issuer, now); err != nil {
		return Single{}, err
	}
	if !bytes.Equal(r.nonce, q.nonce) {
		return Single{}, ErrNonce
	}
	i := slices.IndexFunc(r.singles, func(s Single) bool { return bytes.Equal(s.ID.Raw, q.id.Raw) })
	if i < 0 {
		return Single{}, ErrNoAnswer
	}
	s := r.singles[i]
	// RFC 6960, Section 3.2, 5 and 6.
	if s.ThisUpdate.After(now.Add(clockSlack)) || (!s.NextUpdate.IsZero() && !s.NextUpdate.After(now)) {
		return Single{}, fmt.Errorf("%w: it holds from %s to %s", ErrStale,
			s.ThisUpdate.Format(time.RFC3339), s.NextUpdate.Format(time.RFC3339))
	}
	return s, nil
}

// verify checks that the issuer itself or a responder that it delegated to has
// signed the response (RFC 6960, Section 4.2.2.2).
func (r *response) verify(issuer *x509.Certificate, now time.Time) error {
	candidates := append([]*x509.Certificate{issuer}, r.certificates...)
	for _, c := range candidates {
		if c.CheckSignature(r.algorithm.X509, r.tbs, r.signature) != nil {
			continue
		}
		if c.Equal(issuer) {
			return nil
		}
		return checkDelegated(c, issuer, now)
	}
	return ErrSignature
}

// checkDelegated holds a responder's certificate to RFC 6960, Section 4.2.2.2:
// issued by the CA itself, for OCSP signing. Without ocsp-nocheck one would have
// to ask whether the responder's certificate is revoked; ours always has it.
func checkDelegated(c, issuer *x509.Certificate, now time.Time) error {
	switch {
	case c.CheckSignatureFrom(issuer) != nil || !bytes.Equal(c.RawIssuer, issuer.RawSubject):
		return fmt.Errorf("%w: %q is not of this issuer", ErrSignature, c.Subject)
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("%w: %q may not sign OCSP answers", ErrSignature, c.Subject)
	case now.Before(c.NotBefore.Add(-clockSlack)) || now.After(c.NotAfter):
		return fmt.Errorf("%w: the certificate of %q is not valid now", ErrSignature, c.Subject)
	}
	for _, ext := range c.Extensions {
		if ext.Id.Equal(oidNoCheck) {
			return nil
		}
	}
	return fmt.Errorf("%w: the certificate of %q lacks ocsp-nocheck", ErrSignature, c.Subject)
}
