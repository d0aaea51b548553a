package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"signet/enroll"
	"signet/internal/problem"
	"signet/piv"
	"signet/revocation"
	"signet/store"
)

// An operator does what the commands on the CA's host ask for. Its handler is
// served on the socket of a running server, and called in process by a command
// that finds none: the commands do the same either way.
//
// Whoever reaches it may do everything; who that can be is the concern of the
// socket and of the data folder's permissions.
type operator struct {
	store    store.Store
	accounts *enroll.Accounts
	holdings *enroll.Holdings
	codes    *enroll.Codes
	revoker  *revocation.Revoker
	escrow   *enroll.Escrow
	logger   *slog.Logger
	// published waits for the CRL that shows what is in the store; nil where no
	// server runs that makes one.
	published func(context.Context) error
	issuer    string // the ID of the issuer that commands on certificates mean
	profiles  map[string]*enroll.Profile
	// pivRoots vouch for cards; chain is the issuer's certificate and those above it.
	pivRoots *piv.Roots
	chain    []*x509.Certificate
	// url and fingerprint are what a user needs beside a code.
	url, fingerprint string
}

// maxOperation bounds the body of an operator's request, in octets.
const maxOperation = 64 << 10

// Handler serves POST /op/NAME: JSON in, JSON out, problems for errors.
func (o *operator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /op/user.add", operation(o.addUser))
	mux.Handle("POST /op/user.list", operation(o.listUsers))
	mux.Handle("POST /op/user.show", operation(o.showUser))
	mux.Handle("POST /op/user.passwd", operation(o.setPassword))
	mux.Handle("POST /op/user.change", operation(o.changeUser))
	mux.Handle("POST /op/user.disable", operation(o.disableUser))
	mux.Handle("POST /op/user.enable", operation(o.enableUser))
	mux.Handle("POST /op/user.remove", operation(o.removeUser))
	mux.HandleFunc("POST /op/card.list", o.listCards)
	mux.Handle("POST /op/card.show", operation(o.showCard))
	mux.Handle("POST /op/card.lost", operation(o.loseCard))
	mux.Handle("POST /op/card.found", operation(o.findCard))
	mux.Handle("POST /op/card.retire", operation(o.retireCard))
	mux.Handle("POST /op/card.assign", operation(o.assignCard))
	mux.Handle("POST /op/card.import", operation(o.importCards))
	mux.Handle("POST /op/card.forget", operation(o.forgetCard))
	mux.Handle("POST /op/code.new", operation(o.newCode))
	mux.HandleFunc("POST /op/cert.list", o.listCertificates)
	mux.Handle("POST /op/cert.show", operation(o.showCertificate))
	mux.Handle("POST /op/cert.attestation", operation(o.certificateEvidence))
	mux.Handle("POST /op/cert.import", operation(o.importCertificate))
	mux.Handle("POST /op/cert.revoke", operation(o.revoke))
	mux.Handle("POST /op/cert.hold", operation(o.hold))
	mux.Handle("POST /op/cert.release", operation(o.release))
	mux.HandleFunc("POST /op/cert.choose", o.chooseCertificates)
	mux.HandleFunc("POST /op/cert.many", o.changeMany)
	mux.Handle("POST /op/puk.list", operation(o.listPUKRequests))
	mux.Handle("POST /op/puk.approve", operation(o.approvePUK))
	mux.Handle("POST /op/puk.deny", operation(o.denyPUK))
	mux.Handle("POST /op/puk.status", operation(o.showPUK))
	mux.Handle("POST /op/puk.take", operation(o.takePUK))
	mux.HandleFunc("POST /op/plan.check", o.checkPlans)
	mux.HandleFunc("POST /op/audit.list", o.listEvents)
	return mux
}

// operation makes a handler of a function from one JSON object to another.
func operation[In, Out any](do func(context.Context, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := readOperation(w, r, &in, maxOperation); err != nil {
			problem.Write(w, problemOf(err))
			return
		}
		out, err := do(r.Context(), in)
		if err != nil {
			problem.Write(w, problemOf(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // a command that is gone can't be told
	})
}

// readOperation reads a request's JSON, of that many octets at most.
func readOperation(w http.ResponseWriter, r *http.Request, in any, limit int64) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil && !errors.Is(err, io.EOF) {
		return &badInput{fmt.Errorf("reading the request: %w", err)}
	}
	return nil
}

// badInput is an error in what the operator asked for.
type badInput struct{ error }

func (b *badInput) Unwrap() error { return b.error }

func badInputf(format string, args ...any) error { return &badInput{fmt.Errorf(format, args...)} }

// problemOf is the table of problems. The operator is trusted with the cause of
// what is not in it.
func problemOf(err error) *problem.Problem {
	p := &problem.Problem{Type: problem.URN("failed"), Title: "Failed", Status: http.StatusInternalServerError, Detail: err.Error()}
	set := func(name, title string, status int) { p.Type, p.Title, p.Status = problem.URN(name), title, status }
	var bad *badInput
	var input *enroll.InputError
	var refused *enroll.RefusedError
	var other *otherIssuer
	switch {
	case errors.As(err, &other):
		set("bad-request", "Bad request", http.StatusBadRequest)
		p.Hint = other.hint()
	case errors.As(err, &bad), errors.As(err, &input), errors.Is(err, revocation.ErrFilter), errors.Is(err, revocation.ErrReason):
		set("bad-request", "Bad request", http.StatusBadRequest)
	case errors.Is(err, enroll.ErrNotFound), errors.Is(err, revocation.ErrNotFound):
		set("not-found", "Not found", http.StatusNotFound)
	case errors.Is(err, enroll.ErrExists):
		set("exists", "Exists already", http.StatusConflict)
	case errors.Is(err, enroll.ErrNameInForce):
		set("exists", "Exists already", http.StatusConflict)
		p.Hint = "They would be the new person's: \"signetd cert revoke --user NAME\" first. If it is the same person again: --same-person."
	case errors.Is(err, revocation.ErrAlreadyRevoked):
		set("already-revoked", "Revoked already", http.StatusConflict)
	case errors.Is(err, revocation.ErrNotOnHold):
		set("not-on-hold", "Not on hold", http.StatusConflict)
	case errors.Is(err, enroll.ErrNotOpen):
		set("not-open", "Not open", http.StatusConflict)
	case cardConflict(err) != "":
		set("conflict", "Conflict", http.StatusConflict)
		p.Hint = cardConflict(err)
	case errors.As(err, &refused):
		set("refused", "Refused", http.StatusForbidden)
		p.Rule, p.Hint = refused.Rule, refused.Hint
	}
	return p
}

// none is the input or output of an operation that has none.
type none struct{}
