package enroll_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/audit"
	"signet/internal/logbook"
)

// A custody is an authority with cards, whose temporary certificates are of the profile "temporary".
type custody struct {
	*authority
	*enroll.Holdings
	mu      sync.Mutex
	changed []ca.Serial
}

func newCustody(t *testing.T) *custody {
	t.Helper()
	a := newAuthority(t, func(c *enroll.Config) { c.Profiles["temporary"] = profile(t, "temporary", enroll.PlanConfig{}) })
	must(a.enroll.Accounts().Update(ctx, "alice", "@operator", func(a *enroll.Account) error { a.Profiles = []string{"user"}; return nil }))
	c := &custody{authority: a}
	c.Holdings = enroll.NewHoldings(enroll.HoldingsConfig{
		Store: a.store, Issuer: a.ca.Issuer.ID(), Temporary: "temporary", Now: a.now,
		Changed: func(serials []ca.Serial) { c.mu.Lock(); defer c.mu.Unlock(); c.changed = append(c.changed, serials...) },
	})
	return c
}

// reasons are those of alice's certificates: "" for one in force, the newest first.
func (c *custody) reasons(account string) (out []string) {
	for _, cert := range must(c.store.CertificatesOf(ctx, account, 100)) {
		reason := ""
		if cert.Revoked() {
			reason = cert.Revocation.Reason.String()
		}
		out = append(out, reason)
	}
	return out
}

func (c *custody) expect(account string, want ...string) {
	c.t.Helper()
	got := c.reasons(account)
	if len(got) != len(want) {
		c.t.Fatalf("%s has %q, want %q", account, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			c.t.Fatalf("%s has %q, want %q", account, got, want)
		}
	}
}

func (c *custody) events() (n int) {
	if err := c.store.Events(ctx, 0, func(audit.Event) bool { n++; return true }); err != nil {
		c.t.Fatal(err)
	}
	return n
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

const card, spare = 4711, 4712

func TestLostAndFound(t *testing.T) {
	c := newCustody(t)
	alice := c.withPassword("alice")
	first := c.enrolled(alice, "user", wish{key: catest.Key(t)})
	c.advance(time.Second)
	c.enrolled(alice, "user", wish{key: catest.Key(t)})

	_, err := c.Lose(ctx, 99, enroll.Loss{}, "@operator", false)
	wants(t, err, enroll.ErrNotFound)
	_, err = c.Find(ctx, card, "", "@operator", false)
	wants(t, err, enroll.ErrCardNotLost)

	before := c.events()
	if f := must(c.Lose(ctx, card, enroll.Loss{Temporary: time.Hour}, "@operator", true)); len(f.Held) != 2 || f.Given == nil {
		t.Errorf("beforehand it says %+v", f)
	}
	c.expect("alice", "", "")
	if c.events() != before || len(c.changed) > 0 {
		t.Error("looking has changed something")
	}

	f := must(c.Lose(ctx, card, enroll.Loss{Temporary: time.Hour}, "@operator", false))
	c.expect("alice", "certificateHold", "certificateHold")
	if len(f.Held) != 2 || f.Account != "alice" || c.events() != before+3 || len(c.changed) != 2 {
		t.Errorf("%+v, %d events, %d changed", f, c.events()-before, len(c.changed))
	}
	// Within the second, and twice.
	if f = must(c.Lose(ctx, card, enroll.Loss{}, "@operator", false)); !f.Again || len(f.Kept) != 0 || c.events() != before+3 {
		t.Errorf("lost again: %+v, %d events", f, c.events()-before)
	}
	found := must(c.Find(ctx, card, "behind the sofa", "@operator", false))
	c.expect("alice", "", "")
	if len(found.Released) != 2 || len(found.Ended) != 1 || found.Card.Note != "behind the sofa" || len(found.Card.Held) != 0 {
		t.Errorf("%+v", found)
	}
	if len(must(c.store.Account(ctx, "alice")).Temporary) != 0 {
		t.Error("the allowance outlives the loss")
	}

	// What an officer has put on hold, before or since, is no business of who finds the card.
	hold := func(serial ca.Serial) {
		what := ca.Revocation{At: c.now().UTC().Truncate(time.Second), Reason: ca.CertificateHold, By: "@operator"}
		if err := c.store.Revoke(ctx, c.ca.Issuer.ID(), serial, what, audit.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	must(c.Lose(ctx, card, enroll.Loss{}, "@operator", false))
	if err := c.store.Release(ctx, c.ca.Issuer.ID(), first.Serial, audit.Event{}); err != nil {
		t.Fatal(err)
	}
	c.advance(2 * time.Second)
	hold(first.Serial)
	if f := must(c.Find(ctx, card, "", "@operator", false)); len(f.Released) != 1 || len(f.Kept) != 1 {
		t.Errorf("released %d, kept %d", len(f.Released), len(f.Kept))
	}
	c.expect("alice", "", "certificateHold")
}

// A lost card's owner has temporary certificates on another card, for as long as they are allowed.
func TestTemporary(t *testing.T) {
	c := newCustody(t)
	alice := c.withPassword("alice")
	c.enrolled(alice, "user", wish{key: catest.Key(t)})
	_, err := alice.Plan(ctx, "temporary", 0)
	refused(t, err, 403, "profile.denied")
	_, err = c.Lose(ctx, card, enroll.Loss{Temporary: 1000 * time.Hour * 24}, "@operator", false)
	if !errors.As(err, new(*enroll.InputError)) {
		t.Errorf("an allowance for years: %v", err)
	}
	given := must(c.Lose(ctx, card, enroll.Loss{Temporary: time.Hour}, "@operator", false)).Given
	offer := must(alice.Plan(ctx, "temporary", 0))
	if offer.LifetimeSeconds > 3600 || offer.LifetimeSeconds < 3500 {
		t.Errorf("%d seconds are offered, of an hour", offer.LifetimeSeconds)
	}
	issued := c.enrolled(alice, "temporary", wish{key: catest.Key(t), device: cards().other})
	if !issued.NotAfter.Equal(given.Until) {
		t.Errorf("it ends %s, and is allowed until %s", issued.NotAfter, given.Until)
	}
	_, err = alice.Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: catest.Key(t), nonce: must(alice.Plan(ctx, "user", 0)).Nonce}.csr(t)})
	refused(t, err, 403, "card.lost")

	// Two cards lost at once: the temporary certificates end with the second that is found.
	must(c.Assign(ctx, 5, "alice", "", "@operator", false))
	must(c.Lose(ctx, 5, enroll.Loss{Temporary: 2 * time.Hour}, "@operator", false))
	must(c.Find(ctx, card, "", "@operator", false))
	c.expect("alice", "", "")
	must(c.Find(ctx, 5, "", "@operator", false))
	c.expect("alice", "superseded", "")
	_, err = alice.Plan(ctx, "temporary", 0)
	refused(t, err, 403, "profile.denied")

	// After its date, an allowance is none.
	must(c.Lose(ctx, card, enroll.Loss{Temporary: time.Hour}, "@operator", false))
	nonce := must(alice.Plan(ctx, "temporary", 0)).Nonce
	c.advance(61 * time.Minute)
	_, err = alice.Submit(ctx, enroll.Request{Profile: "temporary", CSR: wish{key: catest.Key(t), nonce: nonce, device: cards().other}.csr(t)})
	refused(t, err, 403, "profile.denied")
}

func TestRetireAndAssign(t *testing.T) {
	c := newCustody(t)
	alice, bob := c.withPassword("alice"), c.withPassword("bob")
	key := catest.Key(t)
	issued := c.enrolled(alice, "user", wish{key: key})

	// A card that was never seen is somebody's all the same.
	must(c.Assign(ctx, spare, "bob", "", "@operator", false))
	_, err := alice.Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: catest.Key(t), device: cards().other, nonce: must(alice.Plan(ctx, "user", 0)).Nonce}.csr(t)})
	refused(t, err, 403, "card.assigned")
	c.enrolled(bob, "user", wish{key: catest.Key(t), device: cards().other})
	if f := must(c.Assign(ctx, spare, "bob", "", "@operator", false)); !f.Again {
		t.Error("it was bob's")
	}
	_, err = c.Assign(ctx, spare, "alice", "", "@operator", false)
	wants(t, err, enroll.ErrCardInUse)
	_, err = c.Assign(ctx, 7, "carol", "", "@operator", false)
	wants(t, err, enroll.ErrNotFound)

	must(c.Lose(ctx, card, enroll.Loss{}, "@operator", false))
	_, err = c.Assign(ctx, card, "bob", "", "@operator", false)
	wants(t, err, enroll.ErrCardLost)
	f := must(c.Retire(ctx, card, ca.KeyCompromise, "", "@operator", false))
	c.expect("alice", "keyCompromise")
	if len(f.Revoked) != 1 || f.Card.State != enroll.CardRetired {
		t.Errorf("%+v", f)
	}
	if f := must(c.Retire(ctx, card, ca.Superseded, "", "@operator", false)); !f.Again {
		t.Error("it was retired")
	}
	for _, do := range []func() error{
		func() error { _, err := c.Lose(ctx, card, enroll.Loss{}, "@operator", false); return err },
		func() error { _, err := c.Assign(ctx, card, "alice", "", "@operator", false); return err },
	} {
		wants(t, do(), enroll.ErrCardRetired)
	}
	_, err = c.Find(ctx, card, "", "@operator", false)
	wants(t, err, enroll.ErrCardNotLost)
	_, err = c.withCertificate(issued, key).Plan(ctx, "user", 0)
	refused(t, err, 401, "certificate.revoked")

	// Said again it is the same; of one retired for less it comes too late.
	if f := must(c.Retire(ctx, card, ca.KeyCompromise, "", "@operator", false)); !f.Again {
		t.Errorf("%+v", f)
	}
	c.enrolled(c.withPassword("bob"), "user", wish{key: catest.Key(t), device: cards().other})
	must(c.Retire(ctx, spare, ca.Superseded, "", "@operator", false))
	before := c.events()
	_, err = c.Retire(ctx, spare, ca.KeyCompromise, "stolen", "@operator", false)
	wants(t, err, enroll.ErrReasonStays)
	c.expect("bob", "superseded", "superseded")
	if f := must(c.Retire(ctx, spare, ca.Superseded, "stolen", "@operator", false)); f.Again || f.Card.Note != "stolen" || c.events() != before+1 {
		t.Errorf("%+v", f)
	}

	// One with nothing on it, and nothing known of it but whose it is.
	must(c.Assign(ctx, 8, "alice", "", "@operator", false))
	if f := must(c.Retire(ctx, 8, ca.CessationOfOperation, "", "@operator", false)); f.Again || len(f.Revoked) != 0 {
		t.Errorf("%+v", f)
	}
}

// A certificate that somebody released by hand while its card is lost renews nothing.
func TestNoRenewalOfALostCard(t *testing.T) {
	c := newCustody(t)
	key := catest.Key(t)
	issued := c.enrolled(c.withPassword("alice"), "user", wish{key: key})
	holder := c.withCertificate(issued, key)
	must(c.Lose(ctx, card, enroll.Loss{}, "@operator", false))
	if err := c.store.Release(ctx, c.ca.Issuer.ID(), issued.Serial, audit.Event{}); err != nil {
		t.Fatal(err)
	}
	for _, device := range []wish{{key: key, bare: true}, {key: catest.Key(t), device: cards().other}} {
		_, err := holder.Plan(ctx, "user", 0)
		refused(t, err, 403, "card.lost")
		device.nonce = must(c.withPassword("alice").Plan(ctx, "user", 0)).Nonce
		_, err = holder.Submit(ctx, enroll.Request{Profile: "user", CSR: device.csr(t)})
		refused(t, err, 403, "card.lost")
	}
}

// Of two officers at once, one finds it done: each certificate changes once.
func TestTwoOfficersAtOnce(t *testing.T) {
	c := newCustody(t)
	c.enrolled(c.withPassword("alice"), "user", wish{key: catest.Key(t)})
	before := c.events()
	both := func(do func() (enroll.Fall, error)) (falls [2]enroll.Fall) {
		var all sync.WaitGroup
		for i := range falls {
			all.Go(func() { falls[i], _ = do() })
		}
		all.Wait()
		return falls
	}
	falls := both(func() (enroll.Fall, error) { return c.Lose(ctx, card, enroll.Loss{}, "@operator", false) })
	if falls[0].Again == falls[1].Again || len(falls[0].Held)+len(falls[1].Held) != 1 || c.events() != before+2 {
		t.Errorf("lost: %+v, %d events", falls, c.events()-before)
	}
	falls = both(func() (enroll.Fall, error) { return c.Find(ctx, card, "", "@operator", false) })
	if len(falls[0].Released)+len(falls[1].Released) != 1 || c.events() != before+4 {
		t.Errorf("found: %+v, %d events", falls, c.events()-before)
	}
	c.expect("alice", "")
}

func TestLeave(t *testing.T) {
	c := newCustody(t)
	alice := c.withPassword("alice")
	c.enrolled(alice, "user", wish{key: catest.Key(t)})
	must(c.Lose(ctx, card, enroll.Loss{Temporary: time.Hour}, "@operator", false))
	c.enrolled(alice, "temporary", wish{key: catest.Key(t), device: cards().other})
	code := c.codeFor("alice", "", time.Hour)
	reason := ca.CessationOfOperation
	before := c.events()

	_, err := c.Leave(ctx, "nobody", enroll.Leaving{Revoke: &reason}, "@operator", false)
	wants(t, err, enroll.ErrNotFound)
	hold := ca.CertificateHold
	if _, err := c.Leave(ctx, "alice", enroll.Leaving{Revoke: &hold}, "@operator", false); err == nil {
		t.Error("on hold is not for good")
	}
	would := must(c.Leave(ctx, "alice", enroll.Leaving{Revoke: &reason}, "@operator", true))
	did := must(c.Leave(ctx, "alice", enroll.Leaving{Revoke: &reason}, "@operator", false))
	for _, f := range []enroll.Fall{would, did} {
		if len(f.Revoked) != 2 || len(f.Codes) != 1 || len(f.Cards) != 1 || f.Cards[0].Serial != spare || len(f.Ended) != 1 {
			t.Errorf("%+v", f)
		}
	}
	c.expect("alice", "cessationOfOperation", "cessationOfOperation")
	if n := c.events() - before; n != 5 {
		t.Errorf("%d events, want one each: account, two certificates, code, card", n)
	}
	a := must(c.store.Account(ctx, "alice"))
	if !a.Disabled || len(a.Temporary) != 0 {
		t.Errorf("%+v", a)
	}
	if got := must(c.store.Card(ctx, card)); got.State != enroll.CardLost || got.Account != "alice" {
		t.Errorf("the lost card is %+v", got)
	}
	_, err = c.withCode(code).Plan(ctx, "", 0)
	if err == nil {
		t.Error("the code is good for something")
	}
	if f := must(c.Leave(ctx, "alice", enroll.Leaving{Revoke: &reason}, "@operator", false)); !f.Again {
		t.Errorf("%+v", f)
	}
	must(c.Leave(ctx, "alice", enroll.Leaving{Remove: true}, "@operator", false))
	_, err = c.store.Account(ctx, "alice")
	wants(t, err, enroll.ErrNotFound)
}

// A card with hundreds of certificates is one step; more than one step takes is refused, whole.
func TestManyOnACard(t *testing.T) {
	c := newCustody(t)
	key := 0
	add := func(n int) {
		for range n {
			key++
			serial := c.ca.Serial(t)
			cert := ca.Certificate{
				Issuer: c.ca.Issuer.ID(), Serial: serial, DER: []byte{0x30, 0}, Account: "alice", Profile: "user", KeyID: [32]byte{byte(key), byte(key >> 8)},
				IssuedAt: c.now(), NotBefore: c.now(), NotAfter: c.now().Add(time.Hour), Card: &ca.Card{Serial: card},
			}
			e := enroll.Enrollment{Issuance: enroll.Issuance{Certificate: cert, CSR: [32]byte{byte(key), byte(key >> 8), byte(key >> 16)}}, Card: &enroll.Card{Serial: card}}
			if _, _, err := c.store.RecordEnrollment(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(600)
	began := time.Now()
	if f := must(c.Lose(ctx, card, enroll.Loss{}, "@operator", false)); len(f.Held) != 600 {
		t.Errorf("%d held", len(f.Held))
	}
	if f := must(c.Find(ctx, card, "", "@operator", false)); len(f.Released) != 600 {
		t.Errorf("%d released", len(f.Released))
	}
	t.Logf("600 held and released in %s", time.Since(began))
	add(enroll.MaxHolding - 600 + 1)
	before := c.events()
	_, err := c.Lose(ctx, card, enroll.Loss{}, "@operator", false)
	wants(t, err, enroll.ErrTooMany)
	if c.events() != before {
		t.Error("it has changed something")
	}
}

// Whether a card is of any use is said before a client has made anything on it.
func TestACardOfNoUseIsRefusedAtThePlan(t *testing.T) {
	c := newCustody(t)
	alice, bob := c.withPassword("alice"), c.withPassword("bob")
	key := catest.Key(t)
	issued := c.enrolled(alice, "user", wish{key: key})
	holder := c.withCertificate(issued, key)
	for who, client := range map[string]*enroll.Client{"alice": alice, "her certificate": holder} {
		for _, serial := range []uint32{0, card, spare} {
			if _, err := client.Plan(ctx, "user", serial); err != nil {
				t.Errorf("%s, card %d: %v", who, serial, err)
			}
		}
	}
	_, err := bob.Plan(ctx, "user", card)
	refused(t, err, 403, "card.assigned")
	_, err = bob.Plan(ctx, "user", spare)
	if err != nil {
		t.Error(err)
	}

	must(c.Lose(ctx, card, enroll.Loss{}, "@operator", false))
	_, err = alice.Plan(ctx, "user", card)
	refused(t, err, 403, "card.lost")
	must(alice.Plan(ctx, "user", spare))
	_, err = holder.Plan(ctx, "user", card)
	refused(t, err, 401, "certificate.held")

	must(c.Retire(ctx, card, ca.Superseded, "", "@operator", false))
	for _, client := range []*enroll.Client{alice, bob} {
		_, err = client.Plan(ctx, "user", card)
		refused(t, err, 403, "card.retired")
	}
}

func TestACardThatIsNoneIsNotAskedFor(t *testing.T) {
	a := newAuthority(t)
	for _, text := range []string{"", "0", "x", "-1", "+1", "01", "4294967296"} {
		r := httptest.NewRequest("GET", "https://ca.example/api/v1/profiles/user?card="+url.QueryEscape(text), nil)
		r.SetBasicAuth("alice", password)
		w := httptest.NewRecorder()
		a.enroll.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest {
			t.Errorf("card %q: %d %s", text, w.Code, w.Body)
		}
	}
}

// A name that certificates in force bear is given to nobody else, and neither are the cards
// that they are on.
func TestANameInForce(t *testing.T) {
	c := newCustody(t)
	alice := c.withPassword("alice")
	key := catest.Key(t)
	issued := c.enrolled(alice, "user", wish{key: key})
	must(c.Assign(ctx, 8, "alice", "", "@operator", false))
	f := must(c.Leave(ctx, "alice", enroll.Leaving{Remove: true}, "@operator", false))
	if len(f.Cards) != 1 || f.Cards[0].Serial != 8 || len(f.Revoked) != 0 {
		t.Errorf("%+v", f)
	}
	if got := must(c.store.Card(ctx, card)); got.State != enroll.CardAssigned || got.Account != "alice" {
		t.Errorf("the card is %+v", got)
	}
	bob := c.withPassword("bob")
	_, err := bob.Plan(ctx, "user", card)
	refused(t, err, 403, "card.assigned")
	_, err = bob.Submit(ctx, enroll.Request{Profile: "user", CSR: wish{key: catest.Key(t), nonce: must(bob.Plan(ctx, "user", 0)).Nonce}.csr(t)})
	refused(t, err, 403, "card.assigned")

	other := enroll.NewAccount{Name: "alice", FullName: "Alice Other", Email: "other@example.com", Password: password}
	_, err = c.enroll.Accounts().Add(ctx, other, "@operator")
	wants(t, err, enroll.ErrNameInForce)
	_, err = c.withCertificate(issued, key).Plan(ctx, "user", 0)
	refused(t, err, 401, "certificate.unknown")
	hold := ca.Revocation{At: c.now().UTC().Truncate(time.Second), Reason: ca.CertificateHold, By: "@operator"}
	if err := c.store.Revoke(ctx, c.ca.Issuer.ID(), issued.Serial, hold, audit.Event{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.enroll.Accounts().Add(ctx, other, "@operator")
	wants(t, err, enroll.ErrNameInForce)
	if err := c.store.Release(ctx, c.ca.Issuer.ID(), issued.Serial, audit.Event{}); err != nil {
		t.Fatal(err)
	}

	same := other
	same.SamePerson = true
	must(c.enroll.Accounts().Add(ctx, same, "@operator"))
	must(c.withCertificate(issued, key).Plan(ctx, "user", card))

	// Once it is taken back, the name is free, and so is the card.
	must(c.Leave(ctx, "alice", enroll.Leaving{Remove: true}, "@operator", false))
	gone := ca.Revocation{At: c.now().UTC().Truncate(time.Second), Reason: ca.CessationOfOperation, By: "@operator"}
	if err := c.store.Revoke(ctx, c.ca.Issuer.ID(), issued.Serial, gone, audit.Event{}); err != nil {
		t.Fatal(err)
	}
	must(c.enroll.Accounts().Add(ctx, other, "@operator"))
	if got := must(c.store.Card(ctx, card)); got.State != enroll.CardInventory || got.Account != "" {
		t.Errorf("the card is %+v", got)
	}
}

// What is done to accounts, codes and cards is a line of the log as well as an event in the store.
func TestEachEventIsLogged(t *testing.T) {
	a := newAuthority(t)
	accounts := a.enroll.Accounts()
	must(accounts.Update(ctx, "alice", "@operator", func(a *enroll.Account) error { a.FullName = "Alice B"; return nil }))
	if err := accounts.Disable(ctx, "bob", "@operator"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.enroll.Codes().New(ctx, "alice", "", 0, "@operator"); err != nil {
		t.Fatal(err)
	}
	var log logbook.Book
	holdings := enroll.NewHoldings(enroll.HoldingsConfig{Store: a.store, Issuer: a.ca.Issuer.ID(), Now: a.now, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	for range 2 {
		must(holdings.Import(ctx, []enroll.Card{{Serial: 91}, {Serial: 92}}, "@operator"))
	}
	stored := map[string]int{}
	if err := a.store.Events(ctx, 0, func(e audit.Event) bool { stored[e.Action]++; return true }); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"account.add", "account.change", "account.disable", "code.new", "card.import"} {
		lines := strings.Count(a.log.String()+log.String(), `"stage":"end","action":"`+action+`"`)
		if stored[action] == 0 || lines != stored[action] {
			t.Errorf("%s: %d stored, %d lines", action, stored[action], lines)
		}
	}
}
