//go:build cgo

package ceremony_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/enroll/ceremony"
	"signet/internal/audit"
	"signet/piv"
	"signet/piv/softcard"
	"signet/piv/yubikey"
)

// takeBack has an officer revoke the holder's newest certificate of a profile, or hold it.
func (h *holder) takeBack(t *testing.T, profile string, reason ca.Reason) {
	t.Helper()
	c := h.issued(t)[profile][0]
	what := ca.Revocation{At: time.Now().UTC(), Reason: reason, By: "boss"}
	if err := h.store.Revoke(t.Context(), c.Issuer, c.Serial, what, audit.Event{Time: what.At, Actor: "boss", Action: "certificate.revoke"}); err != nil {
		t.Fatal(err)
	}
}

func (h *holder) complete(t *testing.T, adjust ...func(*ceremony.Config)) (*ceremony.Result, error) {
	return h.run(t.Context(), ceremony.Complete, adjust...)
}

func (h *holder) said() string { return strings.Join(h.person.notes, "\n") }

// What an officer has on hold is left out of a renewal of the set, and no key of its is touched.
func TestWhatIsOnHoldStaysSo(t *testing.T) {
	for i, fw := range both {
		h := newAuthority(t).newHolder(t, fw, "alice", uint32(9101+i))
		enrolledSet(t, h)
		h.takeBack(t, "signing", ca.CertificateHold)
		r, err := h.renew(t.Context(), 0, false)
		if err != nil || len(r.With) != 1 || len(r.Missing) != 1 || r.Missing[0].State != ceremony.Held {
			t.Fatalf("%+v, %v", r, err)
		}
		if !strings.Contains(h.said(), "signing in slot 9c is left out: its certificate is on hold. Ask an officer") {
			t.Errorf("it said %s", h.said())
		}
		made := h.generated()
		for _, newKey := range []bool{false, true} {
			_, err := h.renew(t.Context(), piv.SlotSignature, newKey)
			if plan := new(ceremony.PlanError); !errors.As(err, &plan) || plan.Rule != "certificate.held" {
				t.Errorf("%v", err)
			}
		}
		for _, adjust := range []func(*ceremony.Config){func(*ceremony.Config) {}, force} {
			if _, err := h.complete(t, adjust); err == nil || !strings.Contains(err.Error(), "certificate.held: signing in slot 9c") {
				t.Errorf("%v", err)
			}
		}
		if n := len(h.issued(t)["signing"]); n != 1 || h.generated() != made {
			t.Errorf("%d certificates, %d keys", n, h.generated()-made)
		}
	}
}

// The hold comes while a renewal waits for its answer: the next run leaves that one out.
func TestHoldBetweenTwoRuns(t *testing.T) {
	h := newAuthority(t).newHolder(t, softcard.Version{5, 4, 3}, "alice", 9103)
	enrolledSet(t, h)
	h.becomes(gone)
	if _, err := h.renew(t.Context(), 0, false); err == nil {
		t.Fatal("it went well")
	}
	h.becomes(nil)
	h.takeBack(t, "signing", ca.CertificateHold)
	r, err := h.renew(t.Context(), 0, false)
	if err != nil || len(r.With) != 1 || len(r.Missing) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// Of a set one certificate was revoked: what is said gets another in its place, and the other
// keys stay.
func TestRevokedCompanionIsReplacedAlone(t *testing.T) {
	for i, replace := range []func(t *testing.T, h *holder) error{
		func(t *testing.T, h *holder) error {
			_, err := h.renew(t.Context(), piv.SlotSignature, true)
			return err
		},
		func(t *testing.T, h *holder) error {
			_, err := h.complete(t, force)
			return err
		},
	} {
		h := newAuthority(t).newHolder(t, softcard.Version{5, 4, 3}, "alice", uint32(9111+i))
		enrolledSet(t, h)
		h.takeBack(t, "signing", ca.PrivilegeWithdrawn)
		if _, err := h.renew(t.Context(), 0, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(h.said(), "signing in slot 9c is left out: its certificate was revoked. For another key and certificate: signet renew --new-key --slot 9c") {
			t.Errorf("it said %s", h.said())
		}
		_, err := h.complete(t)
		occupied := new(ceremony.OccupiedError)
		if !errors.As(err, &occupied) || len(occupied.Left) != 1 || occupied.Left[0].State != ceremony.Revoked {
			t.Fatalf("%v", err)
		}
		h.person.replace = func(all []ceremony.Occupied) error {
			if len(all) != 1 || all[0].Slot != piv.SlotSignature {
				t.Errorf("asked about %v", all)
			}
			return nil
		}
		made := h.generated()
		if err := replace(t, h); err != nil || h.generated() != made+1 {
			t.Fatalf("%v, %d keys", err, h.generated()-made)
		}
		h.mustHold(t, threeSlots)
	}
}

// A slot that the profile has come to want is in use by something else: the other key is made.
func TestCompletionLeavesOutWhatIsInUse(t *testing.T) {
	h := newAuthority(t).newHolder(t, softcard.Version{5, 4, 3}, "alice", 9121)
	if _, err := h.enroll(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.stranger(t, piv.SlotSignature)
	h.wants(t, "signing", "encryption")
	r, err := h.complete(t)
	if err != nil || r.Profile != "encryption" || fmt.Sprint(r.Missing) != "[signing in slot 9c]" || r.Missing[0].State != ceremony.Stranger {
		t.Fatalf("%+v, %v", r, err)
	}
	if !strings.Contains(h.said(), "signing in slot 9c is left out: the slot holds something else. To have that replaced, after a confirmation: signet enroll --missing --force") {
		t.Errorf("it said %s", h.said())
	}
	if _, err = h.complete(t); !errors.As(err, new(*ceremony.OccupiedError)) {
		t.Fatalf("%v", err)
	}
	h.person.replace = func(all []ceremony.Occupied) error { return nil }
	if _, err = h.complete(t, force); err != nil {
		t.Fatal(err)
	}
	h.mustHold(t, threeSlots)
}

// The profile grows into a retired slot that keeps an old encryption key: a card that moves keys
// moves it on, cut anywhere, and others say what it is.
func TestCompletionMovesAnOldKeyOn(t *testing.T) {
	var old []byte
	prepare := func(t *testing.T, h *holder) {
		h.wants(t, "encryption")
		if _, err := h.enroll(t.Context()); err != nil {
			t.Fatal(err)
		}
		old = h.keyIn(t, piv.SlotKeyManagement)
		if r, err := h.renew(t.Context(), piv.SlotKeyManagement, true); err != nil || len(r.Kept) != 1 || r.Kept[0].Slot != 0x82 {
			t.Fatalf("%+v, %v", r, err)
		}
		h.wants(t, "encryption", "archive")
	}
	cutAnywhere(t, softcard.Version{5, 7, 1}, prepare, func(t *testing.T, h *holder) error {
		_, err := h.complete(t)
		return err
	}, func(t *testing.T, h *holder) {
		h.mustHold(t, map[piv.Slot]string{0x9a: "user", 0x9d: "encryption", 0x82: "archive", 0x83: ""})
		if !bytes.Equal(h.keyIn(t, 0x83), old) {
			t.Error("slot 83 has another key than the old one")
		}
	})
}

func (h *holder) keyIn(t *testing.T, s piv.Slot) []byte {
	t.Helper()
	card := must(yubikey.Open(t.Context(), h.card.Serial()))
	defer card.Close()
	return must(card.Certificate(t.Context(), s)).RawSubjectPublicKeyInfo
}
