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

// problemOf is the one place where an error becomes an answer. What it doesn't
// know is a 500, and its cause goes to the log alone.
func (e *Enroller) problemOf(r *http.Request, err error) *problem.Problem {
	var p *problem.Problem
	var throttled *ThrottledError
	var busy *BusyError
	var form *formError
	rule, reason, hint, refused := ruleOf(err)
	switch {
	case refused:
		p = problem.New(statusOfRule(rule), "refused", reason)
		p.Rule, p.Hint = rule, hint
		if own, ok := errors.AsType[*RefusedError](err); ok && own.status != 0 {
			p.Status = own.status
		}
	case errors.Is(err, ErrNoCredentials):
		p = problem.New(http.StatusUnauthorized, "unauthenticated", "there are no credentials in the request")
		p.Hint = "Present a password, an enrollment code or a client certificate."
	case errors.Is(err, ErrCredentials):
		p = problem.New(http.StatusUnauthorized, "unauthenticated", ErrCredentials.Error())
	case errors.As(err, &throttled):
		p = problem.New(http.StatusTooManyRequests, "throttled", "too many wrong passwords: this attempt was not looked at")
		p.Hint = "Try again in " + inSeconds(throttled.After) + " seconds, or use an enrollment code."
		p.RetryAfter = throttled.After
	case errors.As(err, &busy):
		p = problem.New(http.StatusServiceUnavailable, "busy", "")
		p.Hint = "Try again in " + inSeconds(busy.After) + " seconds."
		p.RetryAfter = busy.After
	case errors.As(err, &form):
		p = problem.New(http.StatusBadRequest, "malformed", form.reason)
	case errors.Is(err, errTooLarge):
		p = problem.New(http.StatusRequestEntityTooLarge, "too-large", errTooLarge.Error())
	case errors.Is(err, errMediaType):
		p = problem.New(http.StatusUnsupportedMediaType, "media-type", errMediaType.Error())
	case errors.Is(err, ErrNotFound), errors.Is(err, errNoRoute):
		p = problem.New(http.StatusNotFound, "not-found", "")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = problem.New(http.StatusServiceUnavailable, "busy", "the request took too long")
	default:
		p = problem.Internal()
		e.logger.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("id", r.Header.Get(problem.RequestID)), slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	if member, ok := errors.AsType[*memberError](err); ok && p.Detail != "" {
		p.Profile, p.Detail = member.profile, member.profile+": "+p.Detail
	}
	p.Instance = r.Header.Get(problem.RequestID)
	return p
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
	p.Instance = w.Header().Get(problem.RequestID)
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
