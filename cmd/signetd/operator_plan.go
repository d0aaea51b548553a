package main

import (
	"context"
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
	// Draft is what they are held against; nil for the configuration in force.
	Draft *planDraft `json:"draft,omitempty"`
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
// profiles of the draft would refuse today, one after the other.
func (o *operator) checkPlans(w http.ResponseWriter, r *http.Request) {
	var in planCheck
	if err := readOperation(w, r, &in, maxDraft); err != nil {
		problem.Write(w, problemOf(err))
		return
	}
	if in.Draft != nil {
		by := *o
		var err error
		if by.profiles, by.pivRoots, err = in.Draft.policy(); err != nil {
			problem.Write(w, problemOf(&badInput{err}))
			return
		}
		o = &by
	}
	streamJSON(w, func(send func(any) bool) error {
		check := planChecking{o, r.Context(), time.Now(), planSummary{Rules: map[string]int{}}, send, nil}
		err := check.run(in.Profile)
		if err == nil {
			send(planWord{Summary: &check.sum})
		}
		return err
	})
}

// planChecking is one plan.check under way.
type planChecking struct {
	*operator
	ctx  context.Context
	now  time.Time
	sum  planSummary
	send func(any) bool
	// young are certificates without some of their companions, which may be there since.
	young []ca.Certificate
}

// run looks at the certificates of the profile, or at all for "".
func (k *planChecking) run(profile string) error {
	companions, err := k.companionsInForce()
	if err != nil {
		return err
	}
	revoked := false
	f := revocation.Filter{Profile: profile, Revoked: &revoked, Leaf: true}
	err = k.store.Certificates(k.ctx, f, func(c ca.Certificate) bool {
		if k.now.After(c.NotAfter) {
			return true
		}
		k.sum.Checked++
		p := k.profiles[c.Profile]
		refused := p.Recheck(&c, k.pivRoots)
		if lacking := companions.lacking(p, &c); lacking != nil {
			if len(refused) == 0 && k.now.Sub(c.IssuedAt) < setSettles {
				k.young = append(k.young, ca.Certificate{Serial: c.Serial, Account: c.Account, Profile: c.Profile,
					NotAfter: c.NotAfter, Card: &ca.Card{Serial: c.Card.Serial}})
				return true
			}
			refused = append(refused, lacking)
		}
		return k.found(&c, refused)
	})
	if err != nil {
		return err
	}
	return k.runYoung()
}

// found tells of c where something refuses it; ok is false where nobody listens any more.
func (k *planChecking) found(c *ca.Certificate, refused []*enroll.RefusedError) (ok bool) {
	if len(refused) == 0 {
		return true
	}
	k.sum.Failing++
	return k.send(planWord{Finding: k.sum.finding(c, refused)})
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
