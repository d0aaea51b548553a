package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"signet/ca"
	"signet/internal/problem"
	"signet/revocation"
)

// certificate is a stored certificate as the operator sees it.
type certificate struct {
	ca.Certificate
	// KeyID is the certificate's own, in hex.
	KeyID string `json:"key_id"`
	// State is "valid", "not yet valid", "expired", "on hold" or "revoked".
	State string `json:"state"`
	// Renewed is set where certificates were asked for that run out: the same slot of the
	// same card has one of the same profile that ends later.
	Renewed bool `json:"renewed,omitempty"`
	// CRL is set in the answer to a change, to one of the values below.
	CRL string `json:"crl,omitempty"`
}

// Where the CRL that shows a change is. OCSP never waits for it.
const (
	crlOut     = "out"
	crlDelayed = "delayed"
	crlStopped = "stopped" // no server runs; it makes one when it starts
)

// crlPatience is how long the answer to a change waits for its CRL, so that
// whoever fetches one right after the command gets one that shows the change.
const crlPatience = 2 * time.Second

func certificateOf(c ca.Certificate, now time.Time) certificate {
	out := certificate{Certificate: c, KeyID: hex.EncodeToString(c.KeyID[:]), State: "valid"}
	switch {
	case c.Revoked() && c.Revocation.Reason == ca.CertificateHold:
		out.State = "on hold"
	case c.Revoked():
		out.State = "revoked"
	case now.After(c.NotAfter):
		out.State = "expired"
	case now.Before(c.NotBefore):
		out.State = "not yet valid"
	}
	return out
}

// certFilter is the input of cert.list; zero fields let all through.
type certFilter struct {
	Account       string    `json:"account,omitempty"`
	Card          uint32    `json:"card,omitempty"`
	Profile       string    `json:"profile,omitempty"`
	ExpiresBefore time.Time `json:"expires_before,omitzero"`
	Revoked       *bool     `json:"revoked,omitempty"`
	// All lists the CA's own certificates too.
	All bool `json:"all,omitempty"`
}

// listCertificates answers with one JSON object after the other: there may be
// more certificates than fit into memory.
func (o *operator) listCertificates(w http.ResponseWriter, r *http.Request) {
	var in certFilter
	if err := readOperation(w, r, &in, maxOperation); err != nil {
		problem.Write(w, problemOf(err))
		return
	}
	f := in.filter()
	f.Leaf = !in.All
	now := time.Now()
	streamJSON(w, func(send func(any) bool) error {
		latest, err := o.latest(r.Context(), f, now)
		if err != nil {
			return err
		}
		return o.store.Certificates(r.Context(), f, func(c ca.Certificate) bool {
			out := certificateOf(c, now)
			out.Renewed = latest[placeOf(&c)].After(c.NotAfter)
			return send(out)
		})
	})
}

// A place is where a certificate's successor is: nobody needs both.
type place struct {
	account, profile, slot string
	card                   uint32
}

func placeOf(c *ca.Certificate) place {
	p := place{account: c.Account, profile: c.Profile}
	if c.Card != nil {
		p.card, p.slot = c.Card.Serial, c.Card.Slot
	}
	return p
}

// latest is the end of the last certificate in force at each of the places that f has a
// certificate at; nil where f isn't about what expires.
func (o *operator) latest(ctx context.Context, f revocation.Filter, now time.Time) (map[place]time.Time, error) {
	if f.ExpiresBefore.IsZero() {
		return nil, nil
	}
	accounts := map[string]bool{}
	err := o.store.Certificates(ctx, f, func(c ca.Certificate) bool {
		if c.NotAfter.After(now) {
			accounts[c.Account] = true
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	out := map[place]time.Time{}
	for account := range accounts {
		certs, err := o.store.CertificatesOf(ctx, account, maxSuccessors)
		if err != nil {
			return nil, err
		}
		for i := range certs {
			if p := placeOf(&certs[i]); !certs[i].Revoked() && certs[i].NotAfter.After(out[p]) {
				out[p] = certs[i].NotAfter
			}
		}
	}
	return out, nil
}

// maxSuccessors is how many of an account's newest certificates are looked at for successors.
const maxSuccessors = 100

func (f certFilter) filter() revocation.Filter {
	return revocation.Filter{
		Account: f.Account, CardSerial: f.Card, Profile: f.Profile, ExpiresBefore: f.ExpiresBefore, Revoked: f.Revoked,
	}
}

// streamJSON answers with what read sends, one JSON value after the other, or with a
// problem where it fails before the first.
func streamJSON(w http.ResponseWriter, read func(send func(any) bool) error) {
	w.Header().Set("Content-Type", "application/jsonl")
	e, written := json.NewEncoder(w), false
	var failed error
	err := read(func(v any) bool {
		written = true
		failed = e.Encode(v)
		return failed == nil
	})
	switch err := errors.Join(err, failed); {
	case err != nil && !written:
		problem.Write(w, problemOf(err))
	case err != nil:
		panic(http.ErrAbortHandler) // half a list must not look like a whole one
	}
}

// oneCert is the input of operations on one certificate.
type oneCert struct {
	// Serial is the serial number, or its first digits where no other
	// certificate's begins with them.
	Serial string `json:"serial"`
	// Reason is cert.revoke's, as RFC 5280 spells it.
	Reason string `json:"reason,omitempty"`
}

func (o *operator) showCertificate(ctx context.Context, in oneCert) (certificate, error) {
	c, err := o.find(ctx, in.Serial)
	return certificateOf(c, time.Now()), err
}

func (o *operator) revoke(ctx context.Context, in oneCert) (certificate, error) {
	reason, err := ca.ParseReason(in.Reason)
	if err != nil {
		return certificate{}, &badInput{err}
	}
	if reason == ca.CertificateHold {
		return o.hold(ctx, in)
	}
	return o.change(ctx, in, func(serial ca.Serial) (ca.Certificate, error) {
		return o.revoker.Revoke(ctx, serial, reason, actorOf(ctx))
	})
}

func (o *operator) hold(ctx context.Context, in oneCert) (certificate, error) {
	return o.change(ctx, in, func(serial ca.Serial) (ca.Certificate, error) {
		return o.revoker.Hold(ctx, serial, actorOf(ctx))
	})
}

func (o *operator) release(ctx context.Context, in oneCert) (certificate, error) {
	return o.change(ctx, in, func(serial ca.Serial) (ca.Certificate, error) {
		return o.revoker.Release(ctx, serial, actorOf(ctx))
	})
}

// change does what do does to a certificate of the issuer that serves: others
// (the intermediate's own, which the root signed) are revoked where their
// issuer's key is.
func (o *operator) change(ctx context.Context, in oneCert, do func(ca.Serial) (ca.Certificate, error)) (certificate, error) {
	c, err := o.find(ctx, in.Serial)
	if err != nil {
		return certificate{}, err
	}
	if c.Issuer != o.issuer {
		return certificate{}, &otherIssuer{c}
	}
	if c, err = do(c.Serial); err != nil {
		return certificate{}, err
	}
	out := certificateOf(c, time.Now())
	out.CRL = o.awaitCRL(ctx)
	return out, nil
}

// otherIssuer is a certificate that the issuer that serves can't take back.
type otherIssuer struct{ cert ca.Certificate }

func (e *otherIssuer) Error() string {
	return fmt.Sprintf("%s is of another issuer, %s: the one that serves can't take it back", e.cert.Serial, e.cert.Issuer)
}

// hint says how a CA's certificate is taken back.
func (e *otherIssuer) hint() string {
	cert, err := e.cert.X509()
	switch {
	case err != nil || !cert.IsCA:
		return ""
	case ca.IssuerID(cert) == e.cert.Issuer:
		return "It is the root: take it out of what relying servers trust."
	}
	return fmt.Sprintf("Where the root's key is: \"signetd root revoke %s\". Everyone below it is refused then.", e.cert.Serial)
}

func (o *operator) awaitCRL(ctx context.Context) string {
	if o.published == nil {
		return crlStopped
	}
	ctx, cancel := context.WithTimeout(ctx, crlPatience)
	defer cancel()
	if err := o.published(ctx); err != nil {
		return crlDelayed // the publisher logs what holds it up
	}
	return crlOut
}

// minPrefix is the fewest digits that may stand for a serial number.
const minPrefix = 4

// find returns the certificate whose serial number is or begins with digits.
func (o *operator) find(ctx context.Context, digits string) (ca.Certificate, error) {
	digits = strings.ToLower(strings.ReplaceAll(digits, ":", ""))
	if serial, err := ca.ParseSerial(digits); err == nil {
		if c, err := o.store.Certificate(ctx, o.issuer, serial); !errors.Is(err, revocation.ErrNotFound) {
			return c, err
		}
	}
	if len(digits) < minPrefix || strings.Trim(digits, "0123456789abcdef") != "" {
		return ca.Certificate{}, badInputf("%q is no serial number: give its hexadecimal digits, the first %d at least", digits, minPrefix)
	}
	var found []ca.Certificate
	err := o.store.Certificates(ctx, revocation.Filter{}, func(c ca.Certificate) bool {
		if strings.HasPrefix(c.Serial.String(), digits) {
			found = append(found, c)
		}
		return len(found) < 2
	})
	switch {
	case err != nil:
		return ca.Certificate{}, err
	case len(found) == 0:
		return ca.Certificate{}, revocation.ErrNotFound
	case len(found) > 1:
		return ca.Certificate{}, badInputf("more than one serial number begins with %s: give more digits", digits)
	}
	return found[0], nil
}
