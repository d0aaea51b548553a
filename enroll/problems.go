package enroll

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"signet/ca"
	"signet/internal/problem"
	"signet/piv"
)

// What may be wrong with a request's form.
var (
	errTooLarge  = errors.New("the body is longer than 64 KiB")
	errMediaType = errors.New("the body is to be application/json")
	errNoRoute   = errors.New("there is nothing at this path")
)

// A formError is a body that is not what docs/api.md says.
type formError struct{ reason string }

func (e *formError) Error() string { return e.reason }

// The problems that this package answers with, as docs/api.md lists them.
func aProblem(status int, name, title string) problem.Problem {
	return problem.Problem{Type: problem.URN(name), Title: title, Status: status}
}

// problemOf is the one place where an error becomes an answer. What it doesn't
// know is a 500, and its cause goes to the log alone.
func (e *Enroller) problemOf(r *http.Request, err error) *problem.Problem {
	var p problem.Problem
	var throttled *ThrottledError
	var busy *BusyError
	var form *formError
	rule, reason, hint, refused := ruleOf(err)
	switch {
	case refused:
		p = aProblem(statusOfRule(rule), "refused", "A rule refused the request")
		p.Rule, p.Detail, p.Hint = rule, reason, hint
	case errors.Is(err, ErrNoCredentials):
		p = aProblem(http.StatusUnauthorized, "unauthenticated", "Credentials are wanted")
		p.Hint = "Present a password, an enrollment code or a client certificate."
	case errors.Is(err, ErrCredentials):
		p = aProblem(http.StatusUnauthorized, "unauthenticated", "The credentials are wrong")
		p.Detail = ErrCredentials.Error()
	case errors.As(err, &throttled):
		p = aProblem(http.StatusTooManyRequests, "throttled", "Too many attempts")
		p.Detail = "too many wrong passwords: this attempt was not looked at"
		p.Hint = "Try again in " + inSeconds(throttled.After) + " seconds, or use an enrollment code."
		p.RetryAfter = throttled.After
	case errors.As(err, &busy):
		p = aProblem(http.StatusServiceUnavailable, "busy", "The server is busy")
		p.Hint = "Try again in " + inSeconds(busy.After) + " seconds."
		p.RetryAfter = busy.After
	case errors.As(err, &form):
		p = aProblem(http.StatusBadRequest, "malformed", "The request is malformed")
		p.Detail = form.reason
	case errors.Is(err, errTooLarge):
		p = aProblem(http.StatusRequestEntityTooLarge, "too-large", "The request is too large")
		p.Detail = errTooLarge.Error()
	case errors.Is(err, errMediaType):
		p = aProblem(http.StatusUnsupportedMediaType, "media-type", "The media type is not supported")
		p.Detail = errMediaType.Error()
	case errors.Is(err, ErrNotFound), errors.Is(err, errNoRoute):
		p = aProblem(http.StatusNotFound, "not-found", "Not found")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = aProblem(http.StatusServiceUnavailable, "busy", "The request took too long")
	default:
		p = aProblem(http.StatusInternalServerError, "internal", "Internal error")
		p.Detail = "the server failed on this request; its log says why under the request's id"
		e.logger.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("id", r.Header.Get(requestID)), slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	if member, ok := errors.AsType[*memberError](err); ok && p.Detail != "" {
		p.Profile, p.Detail = member.profile, member.profile+": "+p.Detail
	}
	p.Instance = r.Header.Get(requestID)
	return &p
}

// ruleOf finds the rule that refused, whichever package it is from.
func ruleOf(err error) (rule, reason, hint string, ok bool) {
	var own *RefusedError
	var key *ca.KeyError
	var csr *ca.CSRError
	var name *ca.NameError
	var statement *piv.StatementError
	switch {
	case errors.As(err, &own):
		return own.Rule, own.Reason, own.Hint, true
	case errors.As(err, &key):
		return key.Rule, key.Reason, orDefault(hintOf(key.Rule), "Generate a key that the profile takes."), true
	case errors.As(err, &csr):
		return csr.Rule, csr.Reason, orDefault(hintOf(csr.Rule), "Sign another CSR."), true
	case errors.As(err, &name):
		return "profile.names", name.Reason, hintOf("profile.names"), true
	case errors.As(err, &statement):
		return statement.Rule, statement.Reason, hintOf(statement.Rule), true
	}
	return "", "", "", false
}

// statusOfRule is the HTTP status with which a rule refuses.
func statusOfRule(rule string) int {
	switch rule {
	case "csr.parse":
		return http.StatusBadRequest
	case "code.expired":
		return http.StatusUnauthorized
	case "code.spent", "nonce.spent", "key.taken", "set.mixed":
		return http.StatusConflict
	case "profile.unknown", "escrow.none":
		return http.StatusNotFound
	case "escrow.waiting", "escrow.taken":
		return http.StatusConflict
	case "escrow.denied", "escrow.profile":
		return http.StatusForbidden
	case "escrow.expired":
		return http.StatusGone
	case "escrow.limit":
		return http.StatusTooManyRequests
	}
	switch family, _, _ := strings.Cut(rule, "."); family {
	case "certificate":
		return http.StatusUnauthorized
	case "account", "card", "credential", "profile":
		return http.StatusForbidden
	}
	return http.StatusUnprocessableEntity
}

// fail answers with err's problem and the headers that go with it.
func (e *Enroller) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := e.problemOf(r, err)
	p.Instance = w.Header().Get(requestID)
	if p.Status == http.StatusUnauthorized {
		// RFC 7617, Section 2.1: the name and password are UTF-8.
		w.Header().Add("WWW-Authenticate", `Basic realm="Signet", charset="UTF-8"`)
		w.Header().Add("WWW-Authenticate", codeScheme+` realm="Signet"`)
	}
	problem.Write(w, p)
}

// inSeconds rounds up, so that who waits that long has waited long enough.
func inSeconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}
