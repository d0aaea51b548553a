package main

import (
	"net/http"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/problem"
	"signet/revocation"
)

// planCheck is the input of plan.check.
type planCheck struct {
	// Profile is the one whose certificates are looked at; "" for all.
	Profile string `json:"profile,omitempty"`
}

// A planFinding is one certificate in force, and the rules that it doesn't meet.
type planFinding struct {
	Serial   ca.Serial    `json:"serial"`
	Account  string       `json:"account"`
	Profile  string       `json:"profile"`
	Card     uint32       `json:"card,omitempty"` // 0 where no card is known
	NotAfter time.Time    `json:"not_after"`
	Fails    []failedRule `json:"fails"`
}

// A failedRule is from [enroll.Rules], or of package ca.
type failedRule struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// A planSummary is the last word of plan.check.
type planSummary struct {
	Checked int            `json:"checked"` // certificates in force
	Failing int            `json:"failing"`
	Rules   map[string]int `json:"rules"` // certificates that each rule fails
}

// planWord is one word of the answer: either a finding or, at last, the summary.
type planWord struct {
	Finding *planFinding `json:"finding,omitempty"`
	Summary *planSummary `json:"summary,omitempty"`
}

// checkPlans answers with the certificates in force, neither revoked nor on hold, that the
// profiles of the configuration in force would refuse today, one after the other.
func (o *operator) checkPlans(w http.ResponseWriter, r *http.Request) {
	var in planCheck
	if err := readOperation(w, r, &in, maxOperation); err != nil {
		problem.Write(w, problemOf(err))
		return
	}
	streamJSON(w, func(send func(any) bool) error {
		revoked, now := false, time.Now()
		sum := planSummary{Rules: map[string]int{}}
		f := revocation.Filter{Profile: in.Profile, Revoked: &revoked, Leaf: true}
		err := o.store.Certificates(r.Context(), f, func(c ca.Certificate) bool {
			if now.After(c.NotAfter) {
				return true
			}
			sum.Checked++
			refused := o.profiles[c.Profile].Recheck(&c, o.pivRoots)
			if len(refused) == 0 {
				return true
			}
			sum.Failing++
			return send(planWord{Finding: sum.finding(&c, refused)})
		})
		if err == nil {
			send(planWord{Summary: &sum})
		}
		return err
	})
}

// finding is what is wrong with c, which it counts by rule.
func (s *planSummary) finding(c *ca.Certificate, refused []*enroll.RefusedError) *planFinding {
	out := &planFinding{Serial: c.Serial, Account: c.Account, Profile: c.Profile, NotAfter: c.NotAfter}
	if c.Card != nil {
		out.Card = c.Card.Serial
	}
	counted := map[string]bool{}
	for _, e := range refused {
		out.Fails = append(out.Fails, failedRule{e.Rule, e.Reason})
		if !counted[e.Rule] {
			s.Rules[e.Rule]++
		}
		counted[e.Rule] = true
	}
	return out
}
