package enroll_test

import (
	"crypto"
	"slices"
	"strings"
	"testing"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/audit"
	"signet/piv/softcard"
)

// set is profiles of a card with three keys: user in 9a, with signing in 9c and encryption in 9d.
func set(t testing.TB, c *enroll.Config) {
	t.Helper()
	c.Profiles["user"] = profile(t, "user", enroll.PlanConfig{}, "signing", "encryption")
	c.Profiles["signing"] = profileOf(t, "signing", ca.ProfileConfig{
		ExtKeyUsages: []string{"emailProtection"}, KeyUsages: []string{"digitalSignature", "contentCommitment"},
	}, enroll.PlanConfig{Slot: "9c", PINPolicy: "always"})
	c.Profiles["encryption"] = profileOf(t, "encryption", ca.ProfileConfig{
		ExtKeyUsages: []string{"emailProtection"}, KeyUsages: []string{"keyAgreement"}, Lifetime: "100d",
	}, enroll.PlanConfig{Slot: "9d"})
	c.Profiles["other"] = profile(t, "other", enroll.PlanConfig{Slot: "9e", PINPolicy: "never"})
}

// newSets is a CA with those profiles, and the account carol, who may have "user" alone.
func newSets(t testing.TB, adjust ...func(*enroll.Config)) *authority {
	t.Helper()
	a := newAuthority(t, append([]func(*enroll.Config){func(c *enroll.Config) { set(t, c) }}, adjust...)...)
	a.add(enroll.NewAccount{Name: "carol", FullName: "Carol Example", Email: "carol@example.com", Password: password, Profiles: []string{"user"}})
	return a
}

// member is a wish for one profile of the set, all right but for the nonce.
func member(t testing.TB, name string) (string, wish) {
	w := wish{key: catest.Key(t)}
	switch name {
	case "signing":
		w.slot, w.pin = 0x9c, softcard.PINAlways
	case "encryption":
		w.slot = 0x9d
	case "other":
		w.slot = 0x9e
	}
	return name, w
}

// A trio is the CSRs of one set, and their keys.
type trio struct {
	requests []enroll.Request
	keys     []crypto.Signer
}

// trioOf makes CSRs for the profiles; adjust may spoil a wish.
func trioOf(t testing.TB, nonce []byte, names []string, adjust ...func(name string, w *wish)) (out trio) {
	t.Helper()
	for _, name := range names {
		_, w := member(t, name)
		w.nonce = nonce
		for _, f := range adjust {
			f(name, &w)
		}
		out.requests = append(out.requests, enroll.Request{Profile: name, CSR: w.csr(t)})
		out.keys = append(out.keys, w.key)
	}
	return out
}

var whole = []string{"user", "signing", "encryption"}

func (a *authority) nonce(c *enroll.Client) []byte { return must(c.Plan(ctx, "user", 0)).Nonce }

// enrolledSet enrolls the whole set with the client.
func (a *authority) enrolledSet(c *enroll.Client, adjust ...func(string, *wish)) (*enroll.Issued, trio) {
	a.t.Helper()
	all := trioOf(a.t, a.nonce(c), whole, adjust...)
	return must(c.Submit(ctx, all.requests...)), all
}

func (a *authority) count(account string) int {
	a.t.Helper()
	return len(must(a.store.CertificatesOf(ctx, account, 1000)))
}

func (a *authority) issueEvents() (all []audit.Event) {
	a.t.Helper()
	err := a.store.Events(ctx, 0, func(e audit.Event) bool {
		if e.Action == "certificate.issue" {
			all = append(all, e)
		}
		return true
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return all
}

func TestSet(t *testing.T) {
	a := newSets(t)
	carol := a.withPassword("carol")
	offer := must(carol.Plan(ctx, "", 0))
	var named []string
	for _, c := range offer.With {
		named = append(named, c.Profile+" "+c.Plan.Slot.String())
		if c.Subject != offer.Subject || c.LifetimeSeconds == 0 || len(c.Plan.Algorithms) == 0 {
			t.Errorf("companion %+v", c)
		}
	}
	if !slices.Equal(named, []string{"signing 9c", "encryption 9d"}) {
		t.Fatalf("the companions are %v", named)
	}
	issued, keys := a.enrolledSet(carol)
	all := append([]enroll.Issued{*issued}, issued.With...)
	if len(all) != 3 {
		t.Fatalf("%d certificates", len(all))
	}
	for i, one := range all {
		cert := must(one.X509())
		if one.Profile != whole[i] || !keys.keys[i].Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(cert.PublicKey) || one.CardSerial != 4711 {
			t.Errorf("certificate %d is for %s", i, one.Profile)
		}
		stored := must(a.store.Certificate(ctx, one.Issuer, one.Serial))
		if stored.Account != "carol" || stored.Card.Slot != []string{"9a", "9c", "9d"}[i] {
			t.Errorf("stored %+v", stored.Card)
		}
		if got := a.log.auditLines(t, one.Serial.String()); !slices.Equal(got, []string{"begin", "end"}) {
			t.Errorf("audit lines %v, want begin and end", got)
		}
	}
	events := a.issueEvents()
	if len(events) != 3 || events[0].Detail["with"] != "" || events[1].Detail["with"] != issued.Serial.String() || events[2].Detail["slot"] != "9d" {
		t.Errorf("events %+v", events)
	}
	// Again, from anywhere: the same certificates.
	again := must(carol.Submit(ctx, keys.requests...))
	if again.Serial != issued.Serial || len(again.With) != 2 || again.With[1].Serial != issued.With[1].Serial || a.count("carol") != 3 {
		t.Errorf("the same set gave others: %+v", again)
	}
}

// What is refused leaves nothing behind, and says which CSR it was.
func TestSetRefusals(t *testing.T) {
	a := newSets(t)
	alice, carol := a.withPassword("alice"), a.withPassword("carol")
	one := catest.Key(t)
	for _, c := range []struct {
		why    string
		client *enroll.Client
		names  []string
		spoil  func(name string, w *wish)
		rule   string
		status int
		says   string
	}{
		{"the main one alone", carol, []string{"user"}, nil, "set.incomplete", 422, "missing for signing, encryption"},
		{"one is missing", carol, []string{"user", "encryption"}, nil, "set.incomplete", 422, "missing for signing"},
		{"one is there twice", carol, []string{"user", "signing", "signing"}, nil, "set.unknown", 422, `"signing" is there twice`},
		{"the main one twice", carol, []string{"user", "user", "signing"}, nil, "set.unknown", 422, `"user"`},
		{"one too many", alice, []string{"user", "signing", "encryption", "other"}, nil, "set.unknown", 422, `"other"`},
		{"another's companion", alice, []string{"other", "signing"}, nil, "set.unknown", 422, `"signing"`},
		{"a companion first", alice, []string{"signing", "user", "encryption"}, nil, "set.unknown", 422, `"user"`},
		{"one without name", carol, []string{"user", "", "encryption"}, nil, "set.unknown", 422, "name its profile"},
		{"a companion alone", carol, []string{"signing"}, nil, "profile.denied", 403, `together with "user"`},
		{"companions alone", carol, []string{"signing", "encryption"}, nil, "profile.denied", 403, `together with "user"`},
		{"a profile that carol has not", carol, []string{"other", "signing"}, nil, "profile.denied", 403, `"other"`},
		{"one key twice", carol, whole, func(name string, w *wish) {
			if name != "user" {
				w.key = one
			}
		}, "set.key", 422, "signing and encryption"},
		{"two cards", carol, whole, on("encryption", func(w *wish) { w.device = cards().other }), "set.card", 422, "user and encryption"},
		{"two nonces", carol, whole, on("signing", func(w *wish) { w.nonce = a.nonce(carol) }), "set.nonce", 422, "user and signing"},
		{"no nonce", carol, whole, on("signing", func(w *wish) { w.nonce = nil }), "nonce.missing", 422, "signing: "},
		{"no attestation", carol, whole, on("encryption", func(w *wish) { w.bare = true }), "attestation.missing", 422, "encryption: "},
		{"another slot", carol, whole, on("signing", func(w *wish) { w.slot = 0x9d }), "attestation.slot", 422, "signing: "},
		{"a PIN too seldom", carol, whole, on("signing", func(w *wish) { w.pin = softcard.PINOnce }), "attestation.pin-policy", 422, "signing: "},
		{"another's attestation", carol, whole, on("encryption", func(w *wish) { w.foreign = catest.Key(t) }), "attestation.key", 422, "encryption: "},
		{"a key of the CA's", carol, whole, on("encryption", func(w *wish) { w.key = a.ca.IntermediateKey }), "key.ca", 422, "encryption: "},
		{"an algorithm", carol, whole, on("signing", func(w *wish) { w.key = must(ca.GenerateKey("RSA-2048")) }), "key.profile", 422, "signing: "},
		{"the main one is refused", carol, whole, on("user", func(w *wish) { w.slot = 0x9c }), "attestation.slot", 422, "user: "},
	} {
		had, events := a.count("carol")+a.count("alice"), len(a.issueEvents())
		_, err := c.client.Submit(ctx, trioOf(t, a.nonce(c.client), c.names, func(name string, w *wish) {
			if c.spoil != nil {
				c.spoil(name, w)
			}
		}).requests...)
		t.Run(c.why, func(t *testing.T) {
			p := refused(t, err, c.status, c.rule)
			if !strings.Contains(p.Detail, c.says) {
				t.Errorf("it says %q, not %q", p.Detail, c.says)
			}
			if member, _, ok := strings.Cut(c.says, ": "); ok && p.Profile != member {
				t.Errorf("it is about %q, not %q", p.Profile, member)
			}
			if n := a.count("carol") + a.count("alice"); n != had || len(a.issueEvents()) != events {
				t.Errorf("%d certificates were left behind", n-had)
			}
		})
	}
	// One CSR broken among good ones.
	all := trioOf(t, a.nonce(carol), whole)
	all.requests[1].CSR = all.requests[1].CSR[1:]
	_, err := carol.Submit(ctx, all.requests...)
	if p := refused(t, err, 400, "csr.parse"); p.Profile != "signing" {
		t.Errorf("it is about %q", p.Profile)
	}
	all = trioOf(t, a.nonce(carol), whole)
	all.requests[2].CSR = forged(all.requests[2].CSR)
	_, err = carol.Submit(ctx, all.requests...)
	if p := refused(t, err, 422, "csr.signature"); p.Profile != "encryption" {
		t.Errorf("it is about %q", p.Profile)
	}
	// Nothing of all that has used anything up.
	a.enrolledSet(carol)
}

// A card is held to the rules of each profile for that one's certificate.
func TestSetOnACardThatOneProfileRefuses(t *testing.T) {
	for rule, plan := range map[string]enroll.PlanConfig{
		"attestation.fips":             {FIPS: true},
		"attestation.firmware":         {MinFirmware: "5.7.0"},
		"attestation.card":             {CardSerials: []uint32{1}},
		"attestation.card-denied":      {DeviceConfig: enroll.DeviceConfig{DeniedSerials: []uint32{4711}}},
		"attestation.blocked-firmware": {DeviceConfig: enroll.DeviceConfig{BlockedFirmware: []string{"5.4.3"}}},
	} {
		a := newSets(t, func(c *enroll.Config) {
			plan.Slot = "9d"
			c.Profiles["encryption"] = profile(t, "encryption", plan)
		})
		carol := a.withPassword("carol")
		_, err := carol.Submit(ctx, trioOf(t, a.nonce(carol), whole).requests...)
		if p := refused(t, err, 422, rule); p.Profile != "encryption" || a.count("carol") != 0 {
			t.Errorf("%s: it is about %q, and %d certificates are there", rule, p.Profile, a.count("carol"))
		}
	}
}

func on(profile string, spoil func(*wish)) func(string, *wish) {
	return func(name string, w *wish) {
		if name == profile {
			spoil(w)
		}
	}
}
