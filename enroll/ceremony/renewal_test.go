//go:build cgo

package ceremony_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/piv"
	"signet/piv/softcard"
	"signet/piv/yubikey"
)

// cutEvery is how many commands apart the card loses its power in the tests of renewals. At
// each of them, by SIGNET_TEST_KILL=1, it takes minutes.
func cutEvery() int {
	if os.Getenv("SIGNET_TEST_KILL") != "" {
		return 1
	}
	return 6
}

// cutAnywhere runs a command at a card that is enrolled by prepare, cut at one of its APDUs
// after another, and again where that kept it from ending well; then check looks at what came of it.
func cutAnywhere(t *testing.T, fw softcard.Version, prepare func(*testing.T, *holder), command func(*testing.T, *holder) error, check func(*testing.T, *holder)) {
	t.Helper()
	card := newCards(t, fw)
	begin := func(t *testing.T) *holder {
		h := newAuthority(t).holderOf(t, card(t), "alice")
		prepare(t, h)
		return h
	}
	first := begin(t)
	before := first.card.Count()
	if err := command(t, first); err != nil {
		t.Fatal(err)
	}
	total := first.card.Count() - before
	check(t, first)
	first.card.Unplug()
	for n := 1; n <= total; n += cutEvery() {
		for _, when := range []softcard.Action{softcard.UnplugBefore, softcard.UnplugAfter} {
			t.Run(fmt.Sprintf("%s %d of %d %s", fw, n, total, when), func(t *testing.T) {
				h := begin(t)
				h.card.Inject(softcard.Fault{Nth: n, Do: when})
				err := command(t, h)
				h.card.ClearFaults()
				h.card.Plug()
				if err != nil && !errors.Is(err, piv.ErrRemoved) && !errors.Is(err, piv.ErrNoCard) {
					t.Fatalf("the run that was cut: %v", err)
				}
				if err != nil {
					err = command(t, h)
				}
				if err != nil {
					t.Fatalf("the next run: %v", err)
				}
				h.endSuperseding(t)
				check(t, h)
				if left, _ := filepath.Glob(filepath.Join(h.dir, "*")); len(left) > 0 {
					t.Errorf("the journal stayed: %v", left)
				}
			})
		}
	}
}

// endSuperseding has the CA revoke what a run that was cut could not have revoked, or could not
// find out about.
func (h *holder) endSuperseding(t *testing.T) {
	t.Helper()
	if all, _ := filepath.Glob(filepath.Join(h.dir, "superseding-*")); len(all) == 0 {
		return
	}
	_, err := h.run(t.Context(), func(ctx context.Context, c ceremony.Config) (*ceremony.Result, error) {
		_, left, err := ceremony.Supersede(ctx, c)
		if len(left) > 0 {
			t.Errorf("%v are left", left)
		}
		return nil, err
	})
	if err != nil {
		t.Errorf("having the old certificate revoked: %v", err)
	}
}

// enrolledSet is a card with three keys.
func enrolledSet(t *testing.T, h *holder) {
	t.Helper()
	h.wants(t, "signing", "encryption")
	if _, err := h.enroll(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.person.replace = func(all []ceremony.Occupied) error {
		if len(all) != 1 || !all[0].Encrypts {
			return fmt.Errorf("asked about %v", all)
		}
		return nil
	}
}

// A renewal with the same keys is one of the whole set.
func TestRenewalOfASetCutAnywhere(t *testing.T) {
	cutAnywhere(t, softcard.Version{5, 4, 3}, enrolledSet, func(t *testing.T, h *holder) error {
		r, err := h.renew(t.Context(), 0, false)
		if err == nil && len(r.With) != 2 {
			t.Errorf("with it %+v", r.With)
		}
		return err
	}, func(t *testing.T, h *holder) {
		h.mustHold(t, threeSlots)
		h.mustHaveIssued(t, 2)
		if n := h.generated(); n != 3 {
			t.Errorf("%d keys were made", n)
		}
	})
}

// The encryption key is replaced by the certificate of the main profile. A card that moves keys
// keeps the old one: what was encrypted to it can be read, whenever the card loses its power.
func TestRenewalOfAnEncryptionKeyCutAnywhere(t *testing.T) {
	for _, fw := range both {
		cutAnywhere(t, fw, enrolledSet, func(t *testing.T, h *holder) error {
			_, err := h.renew(t.Context(), piv.SlotKeyManagement, true)
			if fw == both[1] {
				h.mustStillRead(t)
			}
			return err
		}, func(t *testing.T, h *holder) { h.mustHaveReplaced(t, fw == both[1]) })
	}
}

// The same where the CA takes keys from no other slot: the old one is moved first.
func TestRenewalInPlaceOfAnEncryptionKeyCutAnywhere(t *testing.T) {
	prepare := func(t *testing.T, h *holder) {
		h.inPlace = true
		enrolledSet(t, h)
	}
	cutAnywhere(t, both[1], prepare, func(t *testing.T, h *holder) error {
		_, err := h.renew(t.Context(), piv.SlotKeyManagement, true)
		h.mustStillRead(t)
		return err
	}, func(t *testing.T, h *holder) { h.mustHaveReplaced(t, true) })
}

// All is made anew, over what is there: the encryption key is kept all the same.
func TestEnrollingAnewCutAnywhere(t *testing.T) {
	prepare := func(t *testing.T, h *holder) {
		enrolledSet(t, h)
		h.person.replace = func(all []ceremony.Occupied) error {
			for _, o := range all {
				if o.Slot == piv.SlotKeyManagement && o.Keep != 0x82 {
					return fmt.Errorf("asked about %+v", o)
				}
			}
			return nil
		}
	}
	cutAnywhere(t, both[1], prepare, func(t *testing.T, h *holder) error {
		_, err := h.enroll(t.Context(), force)
		h.mustStillRead(t)
		return err
	}, func(t *testing.T, h *holder) {
		h.mustHaveIssued(t, 2)
		h.mustBeGood(t, "user", "signing", "encryption")
		slots := maps.Clone(threeSlots)
		slots[0x82] = ""
		h.mustHold(t, slots)
	})
}

// mustStillRead fails unless the key of the first encryption certificate is on the card.
func (h *holder) mustStillRead(t *testing.T) {
	t.Helper()
	h.card.Plug()
	h.card.ClearFaults()
	all := h.issued(t)["encryption"]
	first := must(all[len(all)-1].X509())
	card := must(yubikey.Open(t.Context(), h.card.Serial()))
	defer card.Close()
	for _, s := range piv.Slots() {
		if key, err := card.Key(t.Context(), s); err == nil && fmt.Sprint(key.Public) == fmt.Sprint(first.PublicKey) {
			return
		}
	}
	t.Error("the old encryption key is nowhere")
}

// mustHaveReplaced fails unless there is one new encryption key, and the old one's certificate
// is where it was moved to, if it was.
func (h *holder) mustHaveReplaced(t *testing.T, kept bool) {
	t.Helper()
	slots := maps.Clone(threeSlots)
	if kept {
		slots[0x82] = ""
	}
	h.mustHold(t, slots)
	h.mustBeGood(t, "encryption")
	if n := len(h.issued(t)["encryption"]); n != 2 {
		t.Errorf("%d certificates for encryption were issued", n)
	}
	if n := len(h.issued(t)["user"]); n != 1 {
		t.Errorf("%d certificates for user were issued", n)
	}
}

// mustBeGood fails unless one certificate of each of the profiles is in force.
func (h *holder) mustBeGood(t *testing.T, profiles ...string) {
	t.Helper()
	for _, profile := range profiles {
		good := 0
		for _, c := range h.issued(t)[profile] {
			if c.Status == enroll.StatusGood {
				good++
			}
		}
		if good != 1 {
			t.Errorf("%d certificates of %s are in force", good, profile)
		}
	}
}

// The profile has come to have companions: they are made by the certificate in force.
func TestCompletionCutAnywhere(t *testing.T) {
	prepare := func(t *testing.T, h *holder) {
		if _, err := h.enroll(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.wants(t, "signing", "encryption")
	}
	cutAnywhere(t, softcard.Version{5, 7, 1}, prepare, func(t *testing.T, h *holder) error {
		_, err := h.run(t.Context(), ceremony.Complete)
		return err
	}, func(t *testing.T, h *holder) {
		h.mustHold(t, threeSlots)
		h.mustHaveIssued(t, 1)
		if _, err := h.run(t.Context(), ceremony.Complete); !errors.Is(err, ceremony.ErrComplete) {
			t.Errorf("once more: %v", err)
		}
	})
}

// A renewal says what the profile has come to have, and renews what there is.
func TestRenewalOfAnIncompleteSet(t *testing.T) {
	h := newAuthority(t, "signing").newHolder(t, softcard.Version{5, 4, 3}, "alice", 9001)
	if _, err := h.enroll(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.wants(t, "signing", "encryption", "archive")
	r, err := h.renew(t.Context(), 0, false)
	if err != nil || len(r.With) != 1 || fmt.Sprint(r.Missing) != "[encryption in slot 9d archive in slot 82]" {
		t.Fatalf("%+v, %v", r, err)
	}
	if said := strings.Join(h.person.notes, "\n"); !strings.Contains(said, "encryption in slot 9d, archive in slot 82. To have them made: signet enroll --missing") {
		t.Errorf("it said %s", said)
	}
}

// The person keeps the encryption key that the card can't move: nothing is changed.
func TestEncryptionKeyIsKept(t *testing.T) {
	h := newAuthority(t).newHolder(t, softcard.Version{5, 4, 3}, "alice", 9002)
	enrolledSet(t, h)
	no := errors.New("no")
	h.person.replace = func([]ceremony.Occupied) error { return no }
	if _, err := h.renew(t.Context(), piv.SlotKeyManagement, true); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	h.mustHold(t, threeSlots)
	h.mustHaveIssued(t, 1)
}

// A companion that was revoked isn't renewed with the others.
func TestRenewalLeavesOutWhatWasRevoked(t *testing.T) {
	h := newAuthority(t).newHolder(t, softcard.Version{5, 4, 3}, "alice", 9003)
	enrolledSet(t, h)
	client := h.client(enroll.Credentials{Account: h.account, Password: password}, nil)
	if err := client.Revoke(t.Context(), h.issued(t)["signing"][0].Serial, 1); err != nil {
		t.Fatal(err)
	}
	r, err := h.renew(t.Context(), 0, false)
	if err != nil || len(r.With) != 1 || r.With[0].Profile != "encryption" || len(r.Missing) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// The certificate that a run was known by is revoked before that has ended: with a password
// the card is enrolled anew.
func TestCompletionByWhatWasRevoked(t *testing.T) {
	h := newAuthority(t).newHolder(t, softcard.Version{5, 4, 3}, "alice", 9004)
	if _, err := h.enroll(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.wants(t, "signing", "encryption")
	h.becomes(gone)
	if _, err := h.run(t.Context(), ceremony.Complete); err == nil {
		t.Fatal("it went well")
	}
	h.becomes(nil)
	client := h.client(enroll.Credentials{Account: h.account, Password: password}, nil)
	if err := client.Revoke(t.Context(), h.issued(t)["user"][0].Serial, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := h.run(t.Context(), ceremony.Complete); !refused(err, "certificate.revoked") {
		t.Errorf("%v", err)
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
	h.mustHold(t, threeSlots)
}
