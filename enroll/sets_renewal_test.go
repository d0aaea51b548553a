package enroll_test

import (
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/piv/softcard"
)

// renew signs new CSRs by the keys of old for the profiles, as its holder.
func renew(t testing.TB, nonce []byte, old trio, bare bool, names ...string) (requests []enroll.Request) {
	t.Helper()
	for i, r := range old.requests {
		for _, name := range names {
			if r.Profile == name {
				_, w := member(t, name)
				w.key, w.nonce, w.bare = old.keys[i], nonce, bare
				requests = append(requests, enroll.Request{Profile: name, CSR: w.csr(t)})
			}
		}
	}
	return requests
}

// With the main certificate, any of the set is renewed with the same keys, with or without new
// attestations: those on file are of the same keys.
func TestRenewSet(t *testing.T) {
	a := newSets(t)
	issued, keys := a.enrolledSet(a.withPassword("carol"))
	c := a.withCertificate(issued, keys.keys[0])
	for _, names := range [][]string{{"user"}, {"user", "encryption"}, whole, {"signing"}, {"signing", "encryption"}} {
		for _, bare := range []bool{false, true} {
			out := must(c.Submit(ctx, renew(t, a.nonce(c), keys, bare, names...)...))
			if out.Profile != names[0] || len(out.With) != len(names)-1 || out.CardSerial != 4711 {
				t.Errorf("%v: %+v", names, out)
			}
			for i, with := range out.With {
				if with.Profile != names[1+i] || with.CardSerial != 4711 {
					t.Errorf("%v: %+v", names, with)
				}
			}
		}
	}
	events := a.issueEvents()
	last := events[len(events)-2:]
	for _, e := range last { // signing and encryption, which renew the main certificate not
		if e.Detail["renews"] != "" || e.Detail["with"] == "" {
			t.Errorf("%+v", e)
		}
	}
	// One companion's offer is to be had with the main certificate too, with a nonce.
	if offer := must(c.Plan(ctx, "signing", 0)); offer.Profile != "signing" || offer.With != nil || len(offer.Nonce) == 0 {
		t.Errorf("%+v", offer)
	}
	// A new key for a companion alone, on that card.
	_, w := member(t, "encryption")
	w.nonce = a.nonce(c)
	must(c.Submit(ctx, enroll.Request{Profile: "encryption", CSR: w.csr(t)}))
	// What is on file for one key is nothing for another, nor for another slot.
	_, other := member(t, "signing")
	other.bare, other.nonce = true, a.nonce(c)
	_, err := c.Submit(ctx, enroll.Request{Profile: "signing", CSR: other.csr(t)})
	refused(t, err, 422, "attestation.missing")
	other.key = keys.keys[0]
	_, err = c.Submit(ctx, enroll.Request{Profile: "signing", CSR: other.csr(t)})
	refused(t, err, 422, "attestation.slot")
}

func TestRenewSetRefused(t *testing.T) {
	a := newSets(t)
	issued, keys := a.enrolledSet(a.withPassword("carol"))
	c := a.withCertificate(issued, keys.keys[0])
	onOther := func(_ string, w *wish) { w.device = cards().other }

	// On another card it is no renewal: the whole set or nothing.
	for _, test := range []struct {
		names []string
		rule  string
	}{{[]string{"user"}, "set.incomplete"}, {[]string{"user", "signing"}, "set.incomplete"}, {[]string{"signing"}, "set.card"}, {[]string{"encryption", "signing"}, "set.card"}} {
		_, err := c.Submit(ctx, trioOf(t, a.nonce(c), test.names, onOther).requests...)
		refused(t, err, 422, test.rule)
	}
	must(c.Submit(ctx, trioOf(t, a.nonce(c), whole, onOther).requests...))

	// The main profile among the companions of one of them.
	_, err := c.Submit(ctx, trioOf(t, a.nonce(c), []string{"signing", "user"}).requests...)
	if p := refused(t, err, 422, "set.unknown"); !strings.Contains(p.Detail, `"user" is the one that the others are enrolled with: its CSR comes first`) {
		t.Errorf("%s", p.Detail)
	}

	// A companion's certificate authenticates nobody.
	signing := issued.With[0]
	_, err = a.withCertificate(&signing, keys.keys[1]).Plan(ctx, "user", 0)
	refused(t, err, 401, "certificate.usage")
	// Nor does that of another profile, of the same account, get it a part of the set.
	alice := a.withPassword("alice")
	_, w := member(t, "other")
	w.nonce, w.device = a.nonce(alice), must(cards().root.NewDevice(4713, softcard.Version{5, 4, 3}))
	mine := must(alice.Submit(ctx, enroll.Request{Profile: "other", CSR: w.csr(t)}))
	_, err = a.withCertificate(mine, w.key).Submit(ctx, trioOf(t, a.nonce(alice), []string{"user", "signing"}).requests...)
	refused(t, err, 422, "set.incomplete")
	// Once the account may not have the main profile any more, its certificate is good for no companion.
	must(a.enroll.Accounts().Update(ctx, "carol", "@operator", func(a *enroll.Account) error { a.Profiles = []string{"other"}; return nil }))
	_, err = c.Submit(ctx, renew(t, must(c.Plan(ctx, "other", 0)).Nonce, keys, false, "signing")...)
	refused(t, err, 403, "profile.denied")
}

// A code that renews the main certificate is good for it and any companions, on its card.
func TestRenewSetByCode(t *testing.T) {
	a := newSets(t)
	issued, keys := a.enrolledSet(a.withPassword("carol"))
	holder := a.withCertificate(issued, keys.keys[0])
	code := func() *enroll.Client { return a.withCode(must(holder.RenewalCode(ctx)).Code) }

	c := code()
	_, err := c.Submit(ctx, trioOf(t, a.nonce(c), []string{"signing"}).requests...)
	refused(t, err, 403, "profile.denied")
	_, err = c.Submit(ctx, trioOf(t, a.nonce(c), []string{"user"}, func(_ string, w *wish) { w.device = cards().other }).requests...)
	refused(t, err, 422, "set.incomplete")
	all := trioOf(t, a.nonce(c), []string{"user", "encryption"})
	first := must(c.Submit(ctx, all.requests...))
	again := must(c.Submit(ctx, all.requests...)) // the code is spent, and the answer the same
	if again.Serial != first.Serial || again.With[0].Serial != first.With[0].Serial {
		t.Errorf("%s and %s", again.Serial, first.Serial)
	}
	_, err = c.Submit(ctx, all.requests[1], all.requests[0])
	refused(t, err, 409, "code.spent")
	_, err = c.Submit(ctx, all.requests[0], trioOf(t, nil, []string{"encryption"}).requests[0])
	refused(t, err, 409, "set.mixed")
	a.take(issued, ca.CertificateHold)
	_, err = holder.Submit(ctx, renew(t, nil, keys, true, "signing")...)
	refused(t, err, 401, "certificate.held")
}

// An attestation on file is no proof any more once its certificate is taken back or has ended.
func TestRenewCompanionOnFile(t *testing.T) {
	a := newSets(t)
	issued, keys := a.enrolledSet(a.withPassword("carol"))
	c := a.withCertificate(issued, keys.keys[0])
	a.take(&issued.With[0], ca.Superseded)
	_, err := c.Submit(ctx, renew(t, a.nonce(c), keys, true, "signing")...)
	refused(t, err, 422, "attestation.missing")
	a.advance(101 * 24 * time.Hour) // encryption is for 100 days
	_, err = c.Submit(ctx, renew(t, a.nonce(c), keys, true, "encryption")...)
	refused(t, err, 422, "attestation.missing")
	must(c.Submit(ctx, renew(t, a.nonce(c), keys, false, "encryption")...))
}
