package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/audit"
	"signet/piv"
	"signet/store/bolt"
)

// checkSetsOf runs plan.check over certificates of one card each, issued that long ago and of those
// profiles, and returns the rules that the main one of each card fails, by card.
func checkSetsOf(t *testing.T, age time.Duration, cards map[uint32][]string) (rules map[uint32]string, sum planSummary) {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "signet.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := catest.New(t)
	if err := s.AddAccount(t.Context(), enroll.Account{Name: "alice"}, audit.Event{Action: "account.add"}); err != nil {
		t.Fatal(err)
	}
	for card, names := range cards {
		for i, name := range names {
			c := h.Issue(t, "alice", catest.Key(t), time.Now())
			c.Account, c.Profile, c.IssuedAt, c.Card = "alice", name, time.Now().Add(-age), &ca.Card{Serial: card}
			e := enroll.Enrollment{Issuance: enroll.Issuance{Certificate: *c, CSR: [32]byte{byte(card), byte(i)}}, Card: &enroll.Card{Serial: card}}
			if _, _, err := s.RecordEnrollment(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	profiles := map[string]*enroll.Profile{}
	for name, with := range map[string][]string{"main": {"a", "b"}, "other": {"b"}, "a": nil, "b": nil} {
		// No attestation is looked at: what is left is the set.
		p, err := enroll.NewProfile(catest.Profile(t), enroll.PlanConfig{Attestation: "none"}, with...)
		if err != nil {
			t.Fatal(err)
		}
		profiles[name] = p
	}
	rules = map[uint32]string{}
	send := func(v any) bool {
		f := v.(planWord).Finding
		for _, r := range f.Fails {
			rules[f.Card] += f.Profile + " " + r.Rule + ": " + r.Reason + "\n"
		}
		return true
	}
	o := &operator{store: s, profiles: profiles, pivRoots: piv.NewRoots(), issuer: h.Issuer.ID()}
	k := planChecking{o, t.Context(), time.Now(), planSummary{Rules: map[string]int{}}, send, nil}
	if err := k.run(""); err != nil {
		t.Fatal(err)
	}
	return rules, k.sum
}

// Cards are judged each by what is on it, whether their certificates are of last year or of just now.
func TestPlanCheckOfSets(t *testing.T) {
	for _, age := range []time.Duration{time.Second, 300 * 24 * time.Hour} {
		rules, sum := checkSetsOf(t, age, map[uint32][]string{
			1: {"main", "a", "b"},
			2: {"main", "b"},
			3: {"main", "main"},
			4: {"a"}, // alone, by a grant of its own
			5: {"other", "b"},
			6: {"other", "a"},
			7: {"main", "other", "a", "b"},
		})
		for card, want := range map[uint32]string{
			1: "", 4: "", 5: "", 7: "",
			2: "main set.incomplete: the card has no certificate in force for a\n",
			3: strings.Repeat("main set.incomplete: the card has no certificate in force for a, b\n", 2),
			6: "other set.incomplete: the card has no certificate in force for b\n",
		} {
			if rules[card] != want {
				t.Errorf("%s old, card %d: %q, want %q", age, card, rules[card], want)
			}
		}
		if sum.Checked != 16 || sum.Failing != 4 || sum.Rules[setIncomplete] != 4 {
			t.Errorf("%s old: %+v", age, sum)
		}
	}
}
