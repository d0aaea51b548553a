package enroll_test

import (
	"slices"
	"testing"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/piv"
)

// A record whose evidence is damaged, cut short, another key's or another card's says so, and
// says what else is wrong too.
func TestRecheckOfDamagedRecords(t *testing.T) {
	a := newAuthority(t)
	issued := a.enrolled(a.withPassword("alice"), "", wish{key: catest.Key(t)})
	other := a.enrolled(a.withPassword("alice"), "", wish{key: catest.Key(t)})
	stored := must(a.store.Certificate(ctx, issued.Issuer, issued.Serial))
	others := must(a.store.Certificate(ctx, other.Issuer, other.Serial))
	user, roots := profile(t, "user", enroll.PlanConfig{}), piv.NewRoots(cards().root.Certificate())
	for name, c := range map[string]struct {
		alter func(*ca.Certificate)
		rules []string
	}{
		"as it was":      {func(*ca.Certificate) {}, nil},
		"no card":        {func(c *ca.Certificate) { c.Card = nil }, []string{"attestation.missing"}},
		"half of it":     {func(c *ca.Certificate) { c.Card.Attestation = c.Card.Attestation[:1] }, []string{"attestation.missing"}},
		"rubbish":        {func(c *ca.Certificate) { c.Card.Attestation = [][]byte{{1}, {2}} }, []string{piv.RuleForm}},
		"another key's":  {func(c *ca.Certificate) { c.Card.Attestation = others.Card.Attestation }, []string{"attestation.key"}},
		"no certificate": {func(c *ca.Certificate) { c.DER = nil }, []string{"key.profile"}},
	} {
		record, card := stored, *stored.Card
		record.Card = &card
		c.alter(&record)
		var rules []string
		for _, r := range user.Recheck(&record, roots) {
			rules = append(rules, r.Rule)
		}
		if !slices.Equal(rules, c.rules) {
			t.Errorf("%s: %v, want %v", name, rules, c.rules)
		}
	}
	var gone *enroll.Profile
	if r := gone.Recheck(&stored, roots); len(r) != 1 || r[0].Rule != "profile.unknown" {
		t.Errorf("a profile that is gone: %v", r)
	}
}
