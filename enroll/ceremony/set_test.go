//go:build cgo

package ceremony_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"signet/enroll/ceremony"
	"signet/piv"
	"signet/piv/softcard"
)

var both = []softcard.Version{{5, 4, 3}, {5, 7, 1}}

var threeSlots = map[piv.Slot]string{0x9a: "user", 0x9c: "signing", 0x9d: "encryption"}

func TestASetIsEnrolledAtOnce(t *testing.T) {
	for i, fw := range both {
		t.Run(fw.String(), func(t *testing.T) {
			a := newAuthority(t, "signing", "encryption", "archive")
			h := a.newHolder(t, fw, "alice", uint32(2001+i))
			r, err := h.enroll(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Slot != 0x9a || r.Profile != "user" || len(r.With) != 3 || r.With[2].Slot != 0x82 || r.With[2].Profile != "archive" {
				t.Errorf("%+v", r)
			}
			h.mustHold(t, map[piv.Slot]string{0x9a: "user", 0x9c: "signing", 0x9d: "encryption", 0x82: "archive"})
			if n := h.generated(); n != 4 {
				t.Errorf("%d keys were made", n)
			}
			said := strings.Join(h.person.notes, "\n")
			if !strings.Contains(said, "and with it, for profile signing: a P-256 key in slot 9c, PIN each time") || !strings.Contains(said, "key 2 of 4, in slot 9c") {
				t.Errorf("it said %s", said)
			}
		})
	}
}

// TestSetCutAnywhere takes the card's power away at each command of an enrollment for three
// slots, done or not. The next run ends well: three certificates were issued and are in their
// slots, three keys were made, and nothing else.
func TestSetCutAnywhere(t *testing.T) { cutSets(t, both[0], 1) }

// TestSetCutOnCardsThatMoveKeys does the same where the commands differ little.
func TestSetCutOnCardsThatMoveKeys(t *testing.T) { cutSets(t, both[1], cutEvery()) }

func cutSets(t *testing.T, fw softcard.Version, every int) {
	card := newCards(t, fw)
	first := newAuthority(t, "signing", "encryption").holderOf(t, card(t), "alice")
	if _, err := first.enroll(t.Context()); err != nil {
		t.Fatal(err)
	}
	total := first.card.Count()
	first.card.Unplug()
	for n := 1; n <= total; n += every {
		for _, when := range []softcard.Action{softcard.UnplugBefore, softcard.UnplugAfter} {
			t.Run(fmt.Sprintf("%s %d of %d %s", fw, n, total, when), func(t *testing.T) {
				cutSetAt(t, newAuthority(t, "signing", "encryption").holderOf(t, card(t), "alice"), n, when)
			})
		}
	}
}

func cutSetAt(t *testing.T, h *holder, n int, when softcard.Action) {
	h.card.Inject(softcard.Fault{Nth: n, Do: when})
	_, err := h.enroll(t.Context())
	if err != nil && !errors.Is(err, piv.ErrRemoved) && !errors.Is(err, piv.ErrNoCard) {
		t.Fatalf("the run that was cut: %v", err)
	}
	h.card.ClearFaults()
	h.card.Plug()
	if err != nil {
		if _, err := h.enroll(t.Context()); err != nil {
			t.Fatalf("the next run: %v", err)
		}
	}
	h.endSuperseding(t)
	h.mustHold(t, threeSlots)
	h.mustHaveIssued(t, 1)
	// One that was made as the card lost its power was not told of.
	if n := h.generated(); n != 3 && !(n == 2 && when == softcard.UnplugAfter) {
		t.Errorf("%d keys were made", n)
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "*")); len(left) > 0 {
		t.Errorf("the journal stayed: %v", left)
	}
}

// mustHaveIssued fails unless there are so many certificates for each of the three slots.
func (h *holder) mustHaveIssued(t *testing.T, n int) {
	t.Helper()
	issued := h.issued(t)
	for _, profile := range threeSlots {
		if len(issued[profile]) != n {
			t.Errorf("%d certificates of %s were issued, want %d", len(issued[profile]), profile, n)
		}
	}
}

// What befalls the request that hands the CSRs in.
var (
	gone = func(http.Handler, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	lost = func(next http.Handler, _ http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	busy = func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	broken = func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}
)

// The CA fails as it is given the set: nothing is written to any slot, and the next run gets
// the one set.
func TestSetWithoutAnAnswer(t *testing.T) {
	a := newAuthority(t, "signing", "encryption")
	for i, weather := range []func(http.Handler, http.ResponseWriter, *http.Request){gone, lost, busy, broken} {
		h := a.newHolder(t, softcard.Version{5, 4, 3}, fmt.Sprintf("user%d", i), uint32(4001+i))
		a.becomes(weather)
		if _, err := h.enroll(t.Context()); err == nil {
			t.Fatal("it went well")
		}
		if n := h.imported(t); n != 0 {
			t.Errorf("%d slots have a certificate", n)
		}
		a.becomes(nil)
		r, err := h.enroll(t.Context())
		if err != nil || !r.Resumed {
			t.Fatalf("the next run: %+v, %v", r, err)
		}
		h.mustHold(t, threeSlots)
		h.mustHaveIssued(t, 1)
		if n := h.generated(); n != 3 {
			t.Errorf("%d keys were made", n)
		}
	}
}

// The CA refuses the whole set: no slot gets a certificate, and the next run makes keys anew.
func TestSetThatIsRefused(t *testing.T) {
	a := newAuthority(t, "signing", "encryption")
	h := a.newHolder(t, softcard.Version{5, 4, 3}, "alice", 5001)
	trusted := a.roots
	a.roots = piv.NewRoots()
	a.wants(t, "signing", "encryption")
	if _, err := h.enroll(t.Context()); !refused(err, "attestation.chain") && !refused(err, "attestation.root") {
		t.Fatalf("%v", err)
	}
	if n := h.imported(t); n != 0 {
		t.Errorf("%d slots have a certificate", n)
	}
	a.roots = trusted
	a.wants(t, "signing", "encryption")
	if _, err := h.enroll(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.mustHold(t, threeSlots)
	h.mustHaveIssued(t, 1)
	if n := h.generated(); n != 6 {
		t.Errorf("%d keys were made", n)
	}
}

// The run after a refusal is cut as well, before it makes its first key: the keys of the first
// are still known to be of no use.
func TestSetThatIsRefusedAndCut(t *testing.T) {
	a := newAuthority(t, "signing", "encryption")
	h := a.newHolder(t, softcard.Version{5, 4, 3}, "alice", 5002)
	trusted := a.roots
	a.roots = piv.NewRoots()
	a.wants(t, "signing", "encryption")
	if _, err := h.enroll(t.Context()); err == nil {
		t.Fatal("it went well")
	}
	a.roots = trusted
	a.wants(t, "signing", "encryption")
	for range 2 {
		h.card.Inject(softcard.Fault{INS: 0x47, Do: softcard.UnplugBefore})
		if _, err := h.enroll(t.Context()); !errors.Is(err, piv.ErrRemoved) {
			t.Fatalf("the run that was cut: %v", err)
		}
		h.card.ClearFaults()
		h.card.Plug()
	}
	if _, err := h.enroll(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.mustHold(t, threeSlots)
	h.mustHaveIssued(t, 1)
}

// The profile comes to have other companions between two runs: the keys are made anew, and
// none of the first run's is certified.
func TestSetThatChanges(t *testing.T) {
	for i, before := range [][]string{nil, {"signing"}, {"signing", "encryption", "archive"}} {
		for j, step := range []ceremony.Step{ceremony.StepAttest, ceremony.StepSubmit} {
			t.Run(fmt.Sprintf("%v %s", before, step), func(t *testing.T) {
				a := newAuthority(t, before...)
				h := a.newHolder(t, softcard.Version{5, 7, 1}, "alice", uint32(6001+2*i+j))
				h.person.before = func(s ceremony.Step) {
					if s == step {
						h.card.Unplug()
						a.becomes(gone)
					}
				}
				if _, err := h.enroll(t.Context()); err == nil {
					t.Fatal("it went well")
				}
				h.person.before = nil
				h.card.Plug()
				a.becomes(nil)
				a.wants(t, "signing", "encryption")
				if _, err := h.enroll(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.mustHaveIssued(t, 1)
				slots := map[piv.Slot]string{0x9a: "user", 0x9c: "signing", 0x9d: "encryption"}
				if len(before) < 3 {
					h.mustHold(t, slots)
				}
			})
		}
	}
}

// What is in any of the slots is kept, unless the person says that all of it may go.
func TestSetOverWhatIsThere(t *testing.T) {
	a := newAuthority(t)
	h := a.newHolder(t, softcard.Version{5, 4, 3}, "alice", 7001)
	if _, err := h.enroll(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.wants(t, "signing", "encryption")
	_, err := h.enroll(t.Context())
	var occupied *ceremony.OccupiedError
	if !errors.As(err, &occupied) || len(occupied.InUse) != 1 || !occupied.Main || fmt.Sprint(occupied.Free) != "[signing in slot 9c encryption in slot 9d]" {
		t.Fatalf("%v", err)
	}
	if _, err := h.enroll(t.Context(), force); err == nil || h.generated() != 1 {
		t.Errorf("it wasn't asked: %v", err)
	}
	h.person.replace = func(all []ceremony.Occupied) error {
		if len(all) != 1 || all[0].Slot != 0x9a {
			t.Errorf("asked about %v", all)
		}
		return nil
	}
	if _, err := h.enroll(t.Context(), force); err != nil {
		t.Fatal(err)
	}
	h.person.replace = func(all []ceremony.Occupied) error {
		if len(all) != 3 || all[0].Encrypts || all[1].Encrypts || !all[2].Encrypts {
			t.Errorf("asked about %v", all)
		}
		return nil
	}
	if _, err := h.enroll(t.Context(), force); err != nil {
		t.Fatal(err)
	}
	h.mustHold(t, threeSlots)
}

// Another program has put a key into one of the slots since the first run: it is kept.
func TestSetOverWhatCameMeanwhile(t *testing.T) {
	a := newAuthority(t, "signing", "encryption")
	h := a.newHolder(t, softcard.Version{5, 4, 3}, "alice", 8001)
	made := 0
	h.person.before = func(s ceremony.Step) {
		if s == ceremony.StepAttest {
			h.card.Unplug()
		}
	}
	if _, err := h.enroll(t.Context()); err == nil {
		t.Fatal("it went well")
	}
	h.person.before = nil
	h.card.Plug()
	made = h.generated()
	h.stranger(t, piv.SlotKeyManagement)
	if _, err := h.enroll(t.Context()); !errors.As(err, new(*ceremony.OccupiedError)) || h.generated() != made+1 {
		t.Fatalf("%v", err)
	}
	h.person.replace = func(all []ceremony.Occupied) error {
		if len(all) != 1 || all[0].Slot != piv.SlotKeyManagement {
			t.Errorf("asked about %v", all)
		}
		return nil
	}
	if _, err := h.enroll(t.Context(), force); err != nil {
		t.Fatal(err)
	}
	h.mustHold(t, threeSlots)
	h.mustHaveIssued(t, 1)
}
