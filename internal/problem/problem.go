// Package problem writes and reads RFC 9457 problem documents, the form of
// every error that Signet's HTTP interfaces give.
package problem

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of a problem document (RFC 9457, Section 3).
const ContentType = "application/problem+json"

// RequestID is the header with a request's id, which is also its problem's Instance: in
// the answer, so that a person can tell it to the operator, and in the request as the
// handlers see it.
const RequestID = "X-Request-Id"

// A Problem is an error as a client receives it. It is an error itself, so that
// a client package can return the one it read.
type Problem struct {
	// Type is "urn:signet:problem:" and a name from docs/api.md.
	Type string `json:"type"`
	// Title is the type in words, the same each time.
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int `json:"status"`
	// Detail says what was wrong with this request.
	Detail string `json:"detail,omitempty"`
	// Hint says what to do next.
	Hint string `json:"hint,omitempty"`
	// Rule names the rule that refused, for an enrollment: "attestation.root".
	Rule string `json:"rule,omitempty"`
	// Profile is the profile of the CSR that was refused, where several were handed in.
	Profile string `json:"profile,omitempty"`
	// Instance is the request's id, which the server's log has too.
	Instance string `json:"instance,omitempty"`
	// RetryAfter is when to try again, where that is known: the header of that
	// name (RFC 9110, Section 10.2.3), in whole seconds.
	RetryAfter time.Duration `json:"-"`
}

// titles are the types that docs/api.md lists, in words.
var titles = map[string]string{
	"already-revoked": "The certificate is revoked already",
	"bad-reason":      "The reason can't be given",
	"busy":            "The server is busy",
	"cross-origin":    "Another site asked",
	"internal":        "Internal error",
	"malformed":       "The request is malformed",
	"media-type":      "The media type is not supported",
	"method":          "The method is not allowed",
	"not-found":       "Not found",
	"refused":         "A rule refused the request",
	"throttled":       "Too many attempts",
	"too-large":       "The request is too large",
	"unauthenticated": "Good credentials are wanted",
}

// New makes a problem of a type that docs/api.md lists. Whoever answers, a type has
// one title (RFC 9457, Section 3.1.3).
func New(status int, name, detail string) *Problem {
	return &Problem{Type: URN(name), Title: titles[name], Status: status, Detail: detail}
}

// Internal is the server's own trouble, whose cause goes to its log alone.
func Internal() *Problem {
	return New(http.StatusInternalServerError, "internal", "the server failed on this request; its log says why under the request's id")
}

// URN makes a problem type of a name.
func URN(name string) string { return "urn:signet:problem:" + name }

func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Write sends p.
func Write(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		// Rounded up: who waits that long has waited long enough.
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	w.WriteHeader(p.Status)
	// The header is out: a client that left can't be told.
	_ = json.NewEncoder(w).Encode(p)
}
