package enroll_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/piv"
	"signet/piv/softcard"
)

// A lost card takes its whole set with it, and so do one that is found, retired or left behind.
func TestSetGoesWithItsCard(t *testing.T) {
	a := newSets(t)
	h := enroll.NewHoldings(enroll.HoldingsConfig{Store: a.store, Issuer: a.ca.Issuer.ID(), Now: a.now})
	c := &custody{authority: a, Holdings: h}
	issued, keys := a.enrolledSet(a.withPassword("carol"))
	if f := must(h.Lose(ctx, card, enroll.Loss{}, "@operator", false)); len(f.Held) != 3 {
		t.Errorf("%d held", len(f.Held))
	}
	c.expect("carol", "certificateHold", "certificateHold", "certificateHold")
	_, err := a.withCertificate(issued, keys.keys[0]).Plan(ctx, "signing", 0)
	refused(t, err, 401, "certificate.held")
	_, err = a.withPassword("carol").Submit(ctx, trioOf(t, a.nonce(a.withPassword("carol")), whole).requests...)
	refused(t, err, 403, "card.lost")
	if f := must(h.Find(ctx, card, "", "@operator", false)); len(f.Released) != 3 {
		t.Errorf("%d released", len(f.Released))
	}
	c.expect("carol", "", "", "")
	if f := must(h.Retire(ctx, card, ca.Superseded, "", "@operator", false)); len(f.Revoked) != 3 {
		t.Errorf("%d revoked", len(f.Revoked))
	}
	a.enrolledSet(a.withPassword("carol"), func(_ string, w *wish) { w.device = cards().other })
	reason := ca.AffiliationChanged
	if f := must(h.Leave(ctx, "carol", enroll.Leaving{Revoke: &reason}, "@operator", false)); len(f.Revoked) != 3 || len(f.Cards) != 1 {
		t.Errorf("%+v", f)
	}
	c.expect("carol", "affiliationChanged", "affiliationChanged", "affiliationChanged", "superseded", "superseded", "superseded")
}

// A temporary profile has companions as any other: all of the set end when they must, and when
// the lost card is found; what the owner has of the same profiles by right stays.
func TestTemporarySet(t *testing.T) {
	a := newSets(t, func(c *enroll.Config) {
		c.Profiles["temporary"] = profile(t, "temporary", enroll.PlanConfig{}, "signing", "encryption")
	})
	h := enroll.NewHoldings(enroll.HoldingsConfig{
		Store: a.store, Issuer: a.ca.Issuer.ID(), Now: a.now, Temporary: "temporary", With: []string{"signing", "encryption"},
	})
	c := &custody{authority: a, Holdings: h}
	carol := a.withPassword("carol")
	third := must(cards().root.NewDevice(4713, softcard.Version{5, 4, 3}))
	a.enrolledSet(carol)
	a.enrolledSet(carol, func(_ string, w *wish) { w.device = third })
	names := []string{"temporary", "signing", "encryption"}
	onSpare := func(_ string, w *wish) { w.device = cards().other }
	_, err := carol.Submit(ctx, trioOf(t, a.nonce(carol), names, onSpare).requests...)
	refused(t, err, 403, "profile.denied")

	a.advance(time.Second)
	given := must(h.Lose(ctx, card, enroll.Loss{Temporary: time.Hour}, "@operator", false)).Given
	offer := must(carol.Plan(ctx, "temporary", 0))
	for _, with := range offer.With {
		if with.LifetimeSeconds > 3600 {
			t.Errorf("%s is offered for %d seconds of an hour", with.Profile, with.LifetimeSeconds)
		}
	}
	key := trioOf(t, offer.Nonce, names, onSpare)
	issued := must(carol.Submit(ctx, key.requests...))
	for _, one := range append([]enroll.Issued{*issued}, issued.With...) {
		if !one.NotAfter.Equal(given.Until) {
			t.Errorf("%s ends %s, and is allowed until %s", one.Profile, one.NotAfter, given.Until)
		}
	}
	// A companion that is renewed by it is for no longer.
	a.advance(time.Second)
	again := must(a.withCertificate(issued, key.keys[0]).Submit(ctx, trioOf(t, must(carol.Plan(ctx, "temporary", 0)).Nonce, []string{"signing"}, onSpare).requests...))
	if !again.NotAfter.Equal(given.Until) {
		t.Errorf("renewed, it ends %s", again.NotAfter)
	}
	f := must(h.Find(ctx, card, "", "@operator", false))
	if len(f.Revoked) != 4 || len(f.Released) != 3 {
		t.Errorf("%d revoked, %d released", len(f.Revoked), len(f.Released))
	}
	c.expect("carol", "superseded", "superseded", "superseded", "superseded", "", "", "", "", "", "")
}

// The card's PUK is kept once for the whole set, as the main profile has it.
func TestSetWithEscrow(t *testing.T) {
	key := newEscrowKey(t)
	a := newSets(t, func(c *enroll.Config) {
		c.Escrow = key
		c.Profiles["user"] = profile(t, "user", enroll.PlanConfig{PUKEscrow: true}, "signing", "encryption")
	})
	carol := a.withPassword("carol")
	all := trioOf(t, a.nonce(carol), whole)
	_, err := carol.Submit(ctx, all.requests...)
	refused(t, err, 422, "escrow.missing")
	keep(t, carol, key.Public(), theCard, "abcdefgh")
	issued := must(carol.Submit(ctx, all.requests...))
	c := a.withCertificate(issued, all.keys[0])
	must(c.Submit(ctx, trioOf(t, a.nonce(c), []string{"signing"}).requests...))
}

// Eight keys of the largest kind, each with its attestation, are one request, in either form.
func TestLargestSet(t *testing.T) {
	slots := []string{"9a", "9c", "9d", "9e", "82", "83", "84", "85"}
	names := []string{"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"}
	a := newAuthority(t, func(c *enroll.Config) {
		for i, name := range names {
			with := []string{}
			if i == 0 {
				with = names[1:]
			}
			c.Profiles[name] = profileOf(t, name, ca.ProfileConfig{KeyAlgorithms: []string{"RSA-4096"}}, enroll.PlanConfig{Slot: slots[i]}, with...)
		}
	})
	alice := a.withPassword("alice")
	big := trioOf(t, must(alice.Plan(ctx, "p0", 0)).Nonce, names, func(name string, w *wish) {
		w.key = must(ca.GenerateKey("RSA-4096"))
		w.slot = byte(must(piv.ParseSlot(slots[name[1]-'0'])))
	})
	text := setBody(big.requests)
	t.Logf("%d CSRs are %d bytes", len(names), len(text))
	resp, body := a.post("/api/v1/certificates", "application/json", bytes.NewReader(text))
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	var out enroll.Issued
	if err := json.Unmarshal(body, &out); err != nil || len(out.With) != 7 {
		t.Errorf("%d with it, %v", len(out.With), err)
	}
	if again := must(alice.Submit(ctx, big.requests...)); again.With[6].Serial != out.With[6].Serial {
		t.Error("base64 of the same CSRs is another set")
	}
}

// setBody is a set as other people's clients would write it, CSRs as PEM.
func setBody(requests []enroll.Request) []byte {
	type member struct {
		Profile string   `json:"profile"`
		CSR     string   `json:"csr"`
		With    []member `json:"with,omitempty"`
	}
	var all []member
	for _, r := range requests {
		text := strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: r.CSR})), "\n", "\r\n")
		all = append(all, member{Profile: r.Profile, CSR: text})
	}
	all[0].With = all[1:]
	return must(json.MarshalIndent(all[0], "", "  "))
}

func TestSetBodies(t *testing.T) {
	a := newSets(t)
	one := base64.StdEncoding.EncodeToString(trioOf(t, nil, []string{"user"}).requests[0].CSR)
	tiny := `{"profile":"signing","csr":"AAAA"}`
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat(tiny+",", n), ",") }
	for _, c := range []struct {
		status int
		rule   string
		body   string
	}{
		{400, "", `{"csr":"` + one + `","with":[` + many(100) + `]}`},
		{400, "", `{"csr":"` + one + `","with":[` + many(8) + `]}`},
		{422, "set.unknown", `{"profile":"user","csr":"` + one + `","with":[` + many(7) + `]}`},
		{400, "", `{"csr":"` + one + `","with":{}}`},
		{400, "", `{"csr":"` + one + `","with":["signing"]}`},
		{400, "", `{"csr":"` + one + `","with":[{"csr":"AAAA","with":[]}]}`},
		{400, "csr.parse", `{"csr":"` + one + `","with":[{"profile":"signing","csr":"?"}]}`},
		{400, "csr.parse", `{"csr":"` + one + `","with":[{"profile":"signing"}]}`},
		{400, "csr.parse", `{"csr":"` + one + `","with":[null]}`},
		{400, "csr.parse", `{"profile":"user","with":[` + tiny + `]}`},
		{422, "set.incomplete", `{"profile":"user","csr":"` + one + `","with":null}`},
		{422, "set.incomplete", `{"csr":"` + one + `","with":[]}`},
		{413, "", `{"csr":"` + one + `","with":[` + many(3000) + `]}`},
	} {
		resp, body := a.post("/api/v1/certificates", "application/json", strings.NewReader(c.body))
		var p struct{ Rule, Detail string }
		if err := json.Unmarshal(body, &p); err != nil || resp.StatusCode != c.status || p.Rule != c.rule {
			t.Errorf("%.80s…: %d %s", c.body[len(one):], resp.StatusCode, body)
		}
		if len(body) > 1000 {
			t.Errorf("a refusal of %d bytes", len(body))
		}
	}
	// What a set's name says is not repeated at any length.
	resp, body := a.post("/api/v1/certificates", "application/json",
		strings.NewReader(fmt.Sprintf(`{"profile":"user","csr":%q,"with":[{"profile":%q,"csr":%q}]}`, one, strings.Repeat("x", 30000), one)))
	if resp.StatusCode != 422 || len(body) > 1000 {
		t.Errorf("%d, %d bytes", resp.StatusCode, len(body))
	}
	if n := a.count("alice"); n != 0 {
		t.Errorf("%d certificates", n)
	}
}
