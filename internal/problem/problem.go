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
