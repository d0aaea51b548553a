package main

import (
	"net/http"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/problem"
)

// auditFilter is the input of audit.list; zero fields let all through.
type auditFilter struct {
	Actor  string    `json:"actor,omitempty"`  // "@operator" is every operator
	Action string    `json:"action,omitempty"` // also the first word of some: "puk"
	About  string    `json:"about,omitempty"`  // the object, or a detail's value
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until,omitzero"` // not included
	// Last leaves the last so many of those, at most [maxLastEvents]; 0 leaves all.
	Last int `json:"last,omitempty"`
}

// maxLastEvents bounds what is held in memory for auditFilter.Last.
const maxLastEvents = 10_000

// listEvents answers with one event of the log after the other, the oldest first.
func (o *operator) listEvents(w http.ResponseWriter, r *http.Request) {
	var in auditFilter
	if err := readOperation(w, r, &in, maxOperation); err != nil {
		problem.Write(w, problemOf(err))
		return
	}
	if in.Last < 0 || in.Last > maxLastEvents {
		problem.Write(w, problemOf(badInputf("the last %d: 1 to %d", in.Last, maxLastEvents)))
		return
	}
	streamJSON(w, func(send func(any) bool) error {
		if in.Last == 0 {
			return o.store.Events(r.Context(), 0, func(e audit.Event) bool { return !in.matches(e) || send(e) })
		}
		last := make([]audit.Event, 0, in.Last)
		err := o.store.Events(r.Context(), 0, func(e audit.Event) bool {
			if in.matches(e) {
				last = append(last[max(0, len(last)+1-in.Last):], e)
			}
			return true
		})
		for _, e := range last {
			if err != nil || !send(e) {
				break
			}
		}
		return err
	})
}

func (f *auditFilter) matches(e audit.Event) bool {
	return (f.Actor == "" || e.Actor == f.Actor || strings.HasPrefix(e.Actor, f.Actor+":")) &&
		(f.Action == "" || e.Action == f.Action || strings.HasPrefix(e.Action, f.Action+".")) &&
		!e.Time.Before(f.Since) && (f.Until.IsZero() || e.Time.Before(f.Until)) &&
		(f.About == "" || tellsOf(e, f.About))
}

// tellsOf reports whether e's object, or one of its details, is what.
func tellsOf(e audit.Event, what string) bool {
	if strings.EqualFold(e.Object, what) {
		return true
	}
	for _, value := range e.Detail {
		if strings.EqualFold(value, what) {
			return true
		}
	}
	return false
}
