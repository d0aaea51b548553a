package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"signet/ca"
	"signet/enroll"
	"signet/internal/problem"
	"signet/revocation"
)

// The actions that can be done to many certificates.
const (
	actionRevoke  = "revoke"
	actionHold    = "hold"
	actionRelease = "release"
)

// A choice is one certificate in the answer of cert.choose.
type choice struct {
	Serial ca.Serial `json:"serial"`
	// Concerned tells that the action would change it: it isn't so already.
	Concerned bool `json:"concerned"`
}

// choosing is the input of cert.choose.
type choosing struct {
	Action string     `json:"action"`
	Filter certFilter `json:"filter"`
}

// chooseCertificates answers with the accounts' certificates of a filter that have
// not run out, one choice after the other, and changes nothing: whoever asks for
// the action shows how many they are first, and then names them.
func (o *operator) chooseCertificates(w http.ResponseWriter, r *http.Request) {
	var in choosing
	if err := readOperation(w, r, &in, maxOperation); err != nil {
		problem.Write(w, problemOf(err))
		return
	}
	streamJSON(w, func(send func(any) bool) error {
		found := false
		err := o.revoker.Choose(r.Context(), in.Filter.filter(), func(c ca.Certificate) bool {
			found = true
			return send(choice{c.Serial, concerns(in.Action, &c)})
		})
		if err == nil && !found && in.Filter.Account != "" {
			err = o.known(r.Context(), in.Filter.Account)
		}
		return err
	})
}

// known fails where there is no such account and never was a certificate of one: with a
// name misspelt, whoever is in a hurry must not take it for done.
func (o *operator) known(ctx context.Context, account string) error {
	if certs, err := o.store.CertificatesOf(ctx, account, 1); err != nil || len(certs) > 0 {
		return err
	}
	_, err := o.accounts.Get(ctx, account)
	if errors.Is(err, enroll.ErrNotFound) {
		return fmt.Errorf("there is no account %q, and no certificate of one: %w", account, err)
	}
	return err
}

// concerns reports whether the action would change c.
func concerns(action string, c *ca.Certificate) bool {
	held := c.Revoked() && c.Revocation.Reason == ca.CertificateHold
	switch action {
	case actionHold:
		return !c.Revoked()
	case actionRelease:
		return held
	}
	return held || !c.Revoked()
}

// How many serial numbers one cert.many takes, and how long they may be in JSON.
const (
	maxMany     = 100_000
	maxManyBody = maxMany*48 + maxOperation
)

// manyCerts is the input of cert.many: at most maxMany serials.
type manyCerts struct {
	Action  string      `json:"action"`
	Reason  string      `json:"reason,omitempty"` // of actionRevoke, as RFC 5280 spells it
	Serials []ca.Serial `json:"serials"`
}

// manyDone is one word of progress of cert.many, and the last is the result.
type manyDone struct {
	revocation.Batch
	// Last tells that nothing follows; CRL and Failed are set then.
	Last   bool             `json:"last,omitempty"`
	CRL    string           `json:"crl,omitempty"`
	Failed *problem.Problem `json:"failed,omitempty"`
}

// changeMany answers with how far it has come, again and again, and at last with what
// came of it. It stops where whoever asked goes away; what is done by then stays.
func (o *operator) changeMany(w http.ResponseWriter, r *http.Request) {
	var in manyCerts
	if err := readOperation(w, r, &in, maxManyBody); err != nil {
		problem.Write(w, problemOf(err))
		return
	}
	do, err := o.manyDoer(in)
	if err != nil {
		problem.Write(w, problemOf(err))
		return
	}
	streamJSON(w, func(send func(any) bool) error {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		flush := http.NewResponseController(w)
		done, err := do(ctx, func(b revocation.Batch) {
			if !send(manyDone{Batch: b}) {
				cancel()
			}
			_ = flush.Flush() // in process there is nothing to flush
		})
		last := manyDone{Batch: done, Last: true}
		if err != nil {
			last.Failed = problemOf(err)
		} else {
			last.CRL = o.awaitCRL(ctx)
		}
		send(last)
		return nil
	})
}

// manyDoer is what cert.many does.
func (o *operator) manyDoer(in manyCerts) (func(context.Context, func(revocation.Batch)) (revocation.Batch, error), error) {
	if len(in.Serials) > maxMany {
		return nil, badInputf("%d serial numbers, and at most %d are taken at once", len(in.Serials), maxMany)
	}
	reason := ca.CertificateHold
	switch in.Action {
	case actionRelease:
		return func(ctx context.Context, progress func(revocation.Batch)) (revocation.Batch, error) {
			return o.revoker.ReleaseAll(ctx, in.Serials, actorOf(ctx), progress)
		}, nil
	case actionRevoke:
		var err error
		if reason, err = ca.ParseReason(in.Reason); err != nil {
			return nil, &badInput{err}
		}
	case actionHold:
	default:
		return nil, &badInput{fmt.Errorf("%q can't be done to many certificates", in.Action)}
	}
	return func(ctx context.Context, progress func(revocation.Batch)) (revocation.Batch, error) {
		return o.revoker.RevokeAll(ctx, in.Serials, reason, actorOf(ctx), progress)
	}, nil
}
