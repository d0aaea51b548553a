// Package audit records what the authority did, to whom, and at whose word.
//
// The same [Event] goes to two places: a log line before and after each
// signature, for whoever watches, and an entry in the store, written in the
// same transaction as the change that it tells of, for whoever asks later.
package audit

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// An Event is one thing that happened. It never holds a secret: no PIN, no
// password, no code, no key.
type Event struct {
	// Seq is the entry's number in the store, from 1 without gaps. The store
	// gives it; it is 0 in an event not yet stored.
	Seq uint64 `json:"seq"`
	// Time is when it happened, UTC.
	Time time.Time `json:"time"`
	// Actor is the account at whose word it happened, or [Operator] for a
	// command on the CA's host, or [Server] for what the server does by itself.
	Actor string `json:"actor"`
	// Action is a dotted verb: "certificate.issue", "account.add".
	Action string `json:"action"`
	// Object is what it happened to: a serial number in hex, an account's name.
	Object string `json:"object"`
	// Detail says more, in words or key=value pairs.
	Detail map[string]string `json:"detail,omitempty"`
}

// Operator is the actor of the commands on the CA's host, followed by a colon and the name
// of who logged in there, where that is known: "@operator:alice". Server is that of what
// the server does by itself. None can be an account's name.
const (
	Operator = "@operator"
	Server   = "@signetd"
)

// Log writes e as one line. stage is "begin", "end" or "failed": a begin
// without an end is a signature whose result never left.
func Log(ctx context.Context, logger *slog.Logger, stage string, e Event) {
	attrs := make([]slog.Attr, 0, 4+len(e.Detail))
	attrs = append(attrs,
		slog.String("stage", stage),
		slog.String("action", e.Action),
		slog.String("actor", e.Actor),
		slog.String("object", e.Object))
	for _, k := range slices.Sorted(maps.Keys(e.Detail)) { // the same order each time
		attrs = append(attrs, slog.String(k, e.Detail[k]))
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "audit", slog.Attr{Key: "audit", Value: slog.GroupValue(attrs...)})
}
