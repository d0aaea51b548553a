package enroll_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/ca/catest"
	"signet/enroll"
	"signet/internal/audit"
	"signet/piv"
)

const theCard = 4711 // cards().device

// newEscrowing is an authority whose profile "kept" has PUKs kept.
func newEscrowing(t testing.TB, key *enroll.EscrowKey) *authority {
	t.Helper()
	return newAuthority(t, func(c *enroll.Config) {
		c.Escrow = key
		c.Profiles["kept"] = profile(t, "kept", enroll.PlanConfig{PUKEscrow: true})
	})
}

// keep has the CA keep a PUK and believe that the card has it.
func keep(t testing.TB, c *enroll.Client, key *enroll.EscrowPublic, card uint32, puk string) string {
	t.Helper()
	sealed := must(key.Seal(card, puk))
	if err := c.PutPUK(ctx, card, sealed); err != nil {
		t.Fatal(err)
	}
	if err := c.ConfirmPUK(ctx, card, sealed.ID()); err != nil {
		t.Fatal(err)
	}
	return sealed.ID()
}

// withKept is an authority where alice has enrolled on the card, whose PUK is "abcdefgh".
func withKept(t testing.TB) (*authority, *enroll.EscrowKey) {
	t.Helper()
	key := newEscrowKey(t)
	a := newEscrowing(t, key)
	keep(t, a.withPassword("alice"), key.Public(), theCard, "abcdefgh")
	a.enrolled(a.withPassword("alice"), "kept", wish{key: catest.Key(t)})
	return a, key
}

func TestAPUKIsKeptBeforeAnythingIsEnrolled(t *testing.T) {
	key := newEscrowKey(t)
	a := newEscrowing(t, key)
	alice := a.withCode(a.codeFor("alice", "", time.Hour))
	offer := must(alice.Plan(ctx, "kept", 0))
	if !offer.Plan.PUKEscrow || len(offer.EscrowKey) != 32 {
		t.Fatalf("the offer is %+v", offer)
	}
	if other := must(alice.Plan(ctx, "user", 0)); other.Plan.PUKEscrow || other.EscrowKey != nil {
		t.Errorf("another profile's offer is %+v", other)
	}
	w := wish{key: catest.Key(t), nonce: offer.Nonce}
	_, err := alice.Submit(ctx, enroll.Request{Profile: "kept", CSR: w.csr(t)})
	refused(t, err, 422, "escrow.missing")
	public := must(enroll.ParseEscrowPublic(offer.EscrowKey))
	// Of another card, or by another account, or not yet confirmed, it doesn't help.
	keep(t, alice, public, 4712, "abcdefgh")
	keep(t, a.withPassword("bob"), public, theCard, "abcdefgh")
	sealed := must(public.Seal(theCard, "abcdefgh"))
	for range 2 {
		if err := alice.PutPUK(ctx, theCard, sealed); err != nil {
			t.Fatal(err)
		}
	}
	_, err = alice.Submit(ctx, enroll.Request{Profile: "kept", CSR: w.csr(t)})
	refused(t, err, 422, "escrow.missing")
	kept := must(alice.PUK(ctx, theCard))
	if kept.Current != "" || len(kept.Pending) != 1 || kept.Pending[0] != sealed.ID() {
		t.Errorf("kept: %+v", kept)
	}
	if err := alice.ConfirmPUK(ctx, theCard, sealed.ID()); err != nil {
		t.Fatal(err)
	}
	issued := must(alice.Submit(ctx, enroll.Request{Profile: "kept", CSR: w.csr(t)}))
	// The code is spent, and no longer good for PUKs.
	refused(t, alice.PutPUK(ctx, theCard, must(public.Seal(theCard, "hgfedcba"))), 409, "code.spent")
	// A renewal leaves the PUK as it is.
	holder := a.withCertificate(issued, w.key)
	must(holder.Submit(ctx, enroll.Request{Profile: "kept", CSR: wish{key: w.key, nonce: must(holder.Plan(ctx, "kept", 0)).Nonce}.csr(t)}))
}

func TestPUKsThatAreRefused(t *testing.T) {
	a, key := withKept(t)
	alice := a.withPassword("alice")
	good := must(key.Public().Seal(theCard, "hgfedcba"))
	refused(t, alice.PutPUK(ctx, theCard, must(newEscrowKey(t).Public().Seal(theCard, "hgfedcba"))), 422, "escrow.key")
	refused(t, alice.PutPUK(ctx, theCard, good[1:]), 400, "")
	refused(t, alice.PutPUK(ctx, 0, good), 404, "")
	refused(t, alice.ConfirmPUK(ctx, theCard, good.ID()), 404, "escrow.none")
	refused(t, alice.ConfirmPUK(ctx, theCard), 400, "")
	refused(t, alice.ConfirmPUK(ctx, theCard, strings.Split(strings.Repeat("x ", 20), " ")...), 400, "")
	refused(t, a.client(enroll.Credentials{}, nil).PutPUK(ctx, theCard, good), 401, "")
	a.add(enroll.NewAccount{Name: "carol", FullName: "Carol", Email: "carol@example.com", Password: password, Profiles: []string{"user"}})
	refused(t, a.withPassword("carol").PutPUK(ctx, theCard, good), 403, "escrow.profile")
	for card := range uint32(enroll.MaxUnproven) {
		if err := alice.PutPUK(ctx, 100+card, good); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, alice.PutPUK(ctx, 99, good), 429, "escrow.limit")
}

func TestAPUKIsReleasedOnceAndReplaced(t *testing.T) {
	a, key := withKept(t)
	alice := a.withPassword("alice")
	asked := must(alice.AskPUK(ctx, theCard, "forgot my PIN"))
	if asked.State != enroll.PUKOpen || asked.Reason != "forgot my PIN" || len(asked.EscrowKey) != 32 {
		t.Fatalf("asked: %+v", asked)
	}
	if again := must(alice.AskPUK(ctx, theCard, "again")); again.Number != asked.Number {
		t.Errorf("another request: %+v", again)
	}
	_, err := alice.TakePUK(ctx, theCard, asked.Number)
	refused(t, err, 409, "escrow.waiting")
	if _, err := a.enroll.Escrow().Approve(ctx, asked.Number, audit.Operator); err != nil {
		t.Fatal(err)
	}
	if now := must(alice.AskedPUK(ctx, theCard, asked.Number)); now.State != enroll.PUKApproved {
		t.Errorf("approved: %+v", now)
	}
	// Not to another account, nor for another card.
	_, err = a.withPassword("bob").TakePUK(ctx, theCard, asked.Number)
	refused(t, err, 404, "")
	_, err = alice.TakePUK(ctx, theCard+1, asked.Number)
	refused(t, err, 404, "")
	out := must(alice.TakePUK(ctx, theCard, asked.Number))
	if len(out.PUKs) != 1 || out.PUKs[0].PUK != "abcdefgh" {
		t.Fatalf("taken: %d PUKs", len(out.PUKs))
	}
	_, err = alice.TakePUK(ctx, theCard, asked.Number)
	refused(t, err, 409, "escrow.taken")
	if kept := must(a.enroll.Escrow().Kept(ctx, theCard)); kept[0].Released.IsZero() {
		t.Error("it is not marked as released")
	}
	// A client that is cut off while it replaces the PUK: both are kept, and released.
	if err := alice.PutPUK(ctx, theCard, must(key.Public().Seal(theCard, "hgfedcba"))); err != nil {
		t.Fatal(err)
	}
	asked = must(alice.AskPUK(ctx, theCard, ""))
	must(a.enroll.Escrow().Approve(ctx, asked.Number, audit.Operator))
	out = must(alice.TakePUK(ctx, theCard, asked.Number))
	if len(out.PUKs) != 2 || out.PUKs[0].PUK != "abcdefgh" || out.PUKs[1].PUK != "hgfedcba" {
		t.Fatalf("taken: %d PUKs", len(out.PUKs))
	}
	if err := alice.ConfirmPUK(ctx, theCard, out.PUKs[1].ID); err != nil {
		t.Fatal(err)
	}
	if kept := must(a.enroll.Escrow().Kept(ctx, theCard)); !kept[0].Released.IsZero() || len(kept[0].Pending) != 0 || kept[0].Current.ID != out.PUKs[1].ID {
		t.Errorf("replaced: %+v", kept[0])
	}
	a.noPUKIn(t, "abcdefgh", "hgfedcba")
}

// noPUKIn looks for PUKs where none must be: in the log, the audit log and the store.
func (a *authority) noPUKIn(t testing.TB, puks ...string) {
	t.Helper()
	var all strings.Builder
	all.WriteString(a.log.String())
	if err := a.store.Events(ctx, 0, func(e audit.Event) bool { fmt.Fprintln(&all, e); return true }); err != nil {
		t.Fatal(err)
	}
	all.Write(must(os.ReadFile(a.store.Path())))
	for _, puk := range puks {
		if strings.Contains(all.String(), puk) {
			t.Errorf("the PUK %s is in the log or the store", puk)
		}
	}
}

func TestReleasesThatAreRefused(t *testing.T) {
	a, key := withKept(t)
	alice, officer := a.withPassword("alice"), a.enroll.Escrow()
	_, err := a.withPassword("bob").AskPUK(ctx, theCard, "")
	refused(t, err, 404, "escrow.none")
	_, err = alice.AskPUK(ctx, theCard+1, "")
	refused(t, err, 404, "escrow.none")
	_, err = alice.AskPUK(ctx, theCard, strings.Repeat("x", 201))
	refused(t, err, 400, "")
	_, err = alice.AskPUK(ctx, theCard, "two\nlines")
	refused(t, err, 400, "")

	asked := must(alice.AskPUK(ctx, theCard, ""))
	must(officer.Deny(ctx, asked.Number, audit.Operator))
	_, err = alice.TakePUK(ctx, theCard, asked.Number)
	refused(t, err, 403, "escrow.denied")
	if _, err := officer.Approve(ctx, asked.Number, audit.Operator); !errors.Is(err, enroll.ErrNotOpen) {
		t.Errorf("approved after it was denied: %v", err)
	}
	if _, err := officer.Approve(ctx, 99, audit.Operator); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("approved what nobody asked for: %v", err)
	}

	asked = must(alice.AskPUK(ctx, theCard, ""))
	must(officer.Approve(ctx, asked.Number, audit.Operator))
	a.advance(11 * time.Minute)
	_, err = alice.TakePUK(ctx, theCard, asked.Number)
	refused(t, err, 410, "escrow.expired")

	asked = must(alice.AskPUK(ctx, theCard, ""))
	a.advance(9 * time.Hour)
	if _, err := officer.Approve(ctx, asked.Number, audit.Operator); !errors.Is(err, enroll.ErrNotOpen) {
		t.Errorf("approved after it has expired: %v", err)
	}
	for range 2 {
		asked = must(alice.AskPUK(ctx, theCard, ""))
		must(officer.Deny(ctx, asked.Number, audit.Operator))
	}
	_, err = alice.AskPUK(ctx, theCard, "")
	refused(t, err, 429, "escrow.limit")

	// The card is lost, and so is what was approved before.
	a.advance(24 * time.Hour)
	asked = must(alice.AskPUK(ctx, theCard, ""))
	must(officer.Approve(ctx, asked.Number, audit.Operator))
	err = a.store.ChangeHolding(ctx, enroll.Holder{Card: theCard, At: a.now()}, func(h enroll.Holding) (enroll.Decision, error) {
		card := h.Cards[0]
		card.State = enroll.CardLost
		return enroll.Decision{Cards: []enroll.Card{card}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = alice.TakePUK(ctx, theCard, asked.Number)
	refused(t, err, 403, "card.lost")
	_, err = alice.AskPUK(ctx, theCard, "")
	refused(t, err, 403, "card.lost")
	refused(t, alice.PutPUK(ctx, theCard, must(key.Public().Seal(theCard, "hgfedcba"))), 403, "card.lost")
}

func TestNoPUKIsPutForAnothersCard(t *testing.T) {
	a, key := withKept(t)
	refused(t, a.withPassword("bob").PutPUK(ctx, theCard, must(key.Public().Seal(theCard, "hgfedcba"))), 403, "card.assigned")
}

func TestOneOfTwoClientsTakesThePUK(t *testing.T) {
	a, _ := withKept(t)
	asked := must(a.withPassword("alice").AskPUK(ctx, theCard, ""))
	must(a.enroll.Escrow().Approve(ctx, asked.Number, audit.Operator))
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		client := a.withPassword("alice")
		all.Go(func() { _, errs[i] = client.TakePUK(ctx, theCard, asked.Number) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			refused(t, err, 409, "escrow.taken")
		}
	}
	if won != 1 {
		t.Errorf("%d got the PUK", won)
	}
}

func TestACodeIsGoodForOneRequest(t *testing.T) {
	a, key := withKept(t)
	byCode := a.withCode(a.codeFor("alice", "", time.Hour))
	asked := must(byCode.AskPUK(ctx, theCard, ""))
	must(byCode.AskedPUK(ctx, theCard, asked.Number))
	_, err := byCode.Plan(ctx, "kept", 0)
	refused(t, err, 409, "code.spent")
	_, err = a.withCode(a.codeFor("bob", "", time.Hour)).AskedPUK(ctx, theCard, asked.Number)
	refused(t, err, 404, "")
	must(a.enroll.Escrow().Approve(ctx, asked.Number, audit.Operator))
	must(byCode.TakePUK(ctx, theCard, asked.Number))
	keep(t, byCode, key.Public(), theCard, "hgfedcba")
	_, err = byCode.AskPUK(ctx, theCard, "")
	refused(t, err, 409, "code.spent")
	// Once there is another request, it can no longer change what is kept.
	must(a.withPassword("alice").AskPUK(ctx, theCard, ""))
	refused(t, byCode.PutPUK(ctx, theCard, must(key.Public().Seal(theCard, "hgfedcba"))), 409, "code.spent")
}

// Without its escrow key, or with another one, the CA gives no PUK out, and says so
// before a card is touched; a release that can't be made is not used up.
func TestTheEscrowKeyIsGone(t *testing.T) {
	a, key := withKept(t)
	asked := must(a.withPassword("alice").AskPUK(ctx, theCard, ""))
	must(a.enroll.Escrow().Approve(ctx, asked.Number, audit.Operator))
	for name, other := range map[string]*enroll.EscrowKey{"gone": nil, "another": newEscrowKey(t)} {
		b := a.restarted(other)
		_, err := b.withPassword("alice").TakePUK(ctx, theCard, asked.Number)
		if p := refused(t, err, 422, "escrow.unavailable"); !strings.Contains(p.Detail, "escrow key") {
			t.Errorf("%s: %s", name, p.Detail)
		}
		if other != nil {
			continue
		}
		_, err = b.withPassword("bob").Plan(ctx, "kept", 0)
		refused(t, err, 422, "escrow.unavailable")
		refused(t, b.withPassword("bob").PutPUK(ctx, 5, must(key.Public().Seal(5, "abcdefgh"))), 422, "escrow.unavailable")
		_, err = b.withPassword("alice").AskPUK(ctx, theCard, "")
		refused(t, err, 422, "escrow.unavailable")
		must(b.withPassword("bob").Plan(ctx, "user", 0))
	}
	// With another key, what is kept is as good as lost: a card is to get another PUK.
	other := newEscrowKey(t)
	b := a.restarted(other)
	if kept := must(b.withPassword("alice").PUK(ctx, theCard)); kept.Current != "" {
		t.Errorf("kept: %+v", kept)
	}
	w := wish{key: catest.Key(t), nonce: must(b.withPassword("alice").Plan(ctx, "kept", 0)).Nonce}
	_, err := b.withPassword("alice").Submit(ctx, enroll.Request{Profile: "kept", CSR: w.csr(t)})
	refused(t, err, 422, "escrow.missing")
	// The right one is back.
	out := must(a.restarted(key).withPassword("alice").TakePUK(ctx, theCard, asked.Number))
	if out.PUKs[0].PUK != "abcdefgh" {
		t.Error("another PUK")
	}
}

// restarted is the same CA on the same store, with another escrow key.
func (a *authority) restarted(key *enroll.EscrowKey) *authority {
	a.t.Helper()
	b := &authority{t: a.t, ca: a.ca, store: a.store, log: a.log}
	b.enroll = must(enroll.New(enroll.Config{
		Store: a.store, Issuer: a.ca.Issuer, URLs: a.ca.URLs, Passwords: cheap, Escrow: key,
		Roots: piv.NewRoots(cards().root.Certificate()),
		Profiles: map[string]*enroll.Profile{
			"user": profile(a.t, "user", enroll.PlanConfig{}), "kept": profile(a.t, "kept", enroll.PlanConfig{PUKEscrow: true}),
		},
		Logger: slog.New(slog.NewJSONHandler(a.log, nil)),
	}))
	b.serve()
	return b
}

// The PUK that the card has must open, by whichever way it is given out: others, which no
// card may ever have had, cost tries.
func TestOthersDontStandInForThePUK(t *testing.T) {
	a, _ := withKept(t)
	asked := must(a.withPassword("alice").AskPUK(ctx, theCard, ""))
	must(a.enroll.Escrow().Approve(ctx, asked.Number, audit.Operator))
	key := newEscrowKey(t)
	b := a.restarted(key)
	alice, officer := b.withPassword("alice"), b.enroll.Escrow()
	if err := alice.PutPUK(ctx, theCard, must(key.Public().Seal(theCard, "hgfedcba"))); err != nil {
		t.Fatal(err)
	}
	_, err := alice.TakePUK(ctx, theCard, asked.Number)
	refused(t, err, 422, "escrow.unavailable")
	if now := must(alice.AskedPUK(ctx, theCard, asked.Number)); now.State != enroll.PUKApproved {
		t.Errorf("the approval is %s", now.State)
	}
	_, err = officer.Take(ctx, enroll.Taking{Card: theCard, By: audit.Operator, Key: key.Public().ID()})
	if r, ok := errors.AsType[*enroll.RefusedError](err); !ok || r.Rule != "escrow.unavailable" {
		t.Errorf("an officer: %v", err)
	}
}

// Each event that is stored is a line of the log, once.
func TestWhatBecomesOfAPUKIsLogged(t *testing.T) {
	a, key := withKept(t)
	alice := a.withPassword("alice")
	sealed := must(key.Public().Seal(theCard, "hgfedcba"))
	for range 2 {
		if err := alice.PutPUK(ctx, theCard, sealed); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := alice.ConfirmPUK(ctx, theCard, sealed.ID()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		must(alice.AskPUK(ctx, theCard, ""))
	}
	asked := must(alice.AskPUK(ctx, theCard, ""))
	must(a.enroll.Escrow().Approve(ctx, asked.Number, audit.Operator))
	must(alice.TakePUK(ctx, theCard, asked.Number))
	asked = must(alice.AskPUK(ctx, theCard, ""))
	must(a.enroll.Escrow().Deny(ctx, asked.Number, audit.Operator))
	must(a.enroll.Escrow().Take(ctx, enroll.Taking{Card: theCard, By: audit.Operator, Key: key.Public().ID()}))
	stored := map[string]int{}
	if err := a.store.Events(ctx, 0, func(e audit.Event) bool { stored[e.Action]++; return true }); err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string]int{"puk.put": 2, "puk.confirm": 2, "puk.request": 2, "puk.approve": 1, "puk.deny": 1, "puk.release": 2} {
		lines := 0
		for line := range strings.Lines(a.log.String()) {
			if strings.Contains(line, `"stage":"end"`) && strings.Contains(line, `"action":"`+action+`"`) {
				lines++
			}
		}
		if stored[action] != want || lines != want {
			t.Errorf("%s: %d stored, %d lines, want %d", action, stored[action], lines, want)
		}
	}
}

func TestPUKEscrowWantsAttestation(t *testing.T) {
	for _, rule := range []string{"none", "optional"} {
		if _, err := enroll.NewPlan(enroll.PlanConfig{Attestation: rule, PUKEscrow: true}); err == nil || !strings.Contains(err.Error(), "puk_escrow") {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

// FuzzPUKRequest: whatever a client sends, what passes for a sealed PUK has its form,
// and what passes for a reason fits into a line.
func FuzzPUKRequest(f *testing.F) {
	good := must(newEscrowKey(f).Public().Seal(1, "abcdefgh"))
	f.Add([]byte(fmt.Sprintf(`{"sealed":%q}`, base64.StdEncoding.EncodeToString(good))))
	f.Add([]byte(`{"ids":["0123"]}`))
	f.Add([]byte(`{"reason":"x"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, body []byte) {
		reason, err := enroll.ParsePUKReason(body)
		if err == nil && (len(reason) > 4*200 || strings.ContainsAny(reason, "\n\r\x1b\x00")) {
			t.Errorf("%s: the reason %q", body, reason)
		}
		if sealed, err := enroll.ParsePUK(body); err == nil {
			if _, err := enroll.ParseSealedPUK(sealed); err != nil {
				t.Errorf("%s: %v", body, err)
			}
		}
	})
}
