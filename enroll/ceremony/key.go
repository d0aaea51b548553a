package ceremony

import (
	"bytes"

	"signet/enroll"
	"signet/piv"
)

// A pendingKey is written before the key is generated. Before is what was in
// the slot then, so that another one found later is known to be ours.
type pendingKey struct {
	Profile   string          `json:"profile"`
	Slot      piv.Slot        `json:"slot"`
	Into      piv.Slot        `json:"into,omitempty"` // where it is moved to at the end; 0 for nowhere
	Keep      piv.Slot        `json:"keep,omitempty"` // where the key that it replaces is moved to; 0 where that is destroyed
	Algorithm piv.Algorithm   `json:"algorithm"`
	PIN       piv.PINPolicy   `json:"pin_policy"`
	Touch     piv.TouchPolicy `json:"touch_policy"`
	Before    []byte          `json:"before,omitempty"`   // SubjectPublicKeyInfo
	Replaced  []byte          `json:"replaced,omitempty"` // SubjectPublicKeyInfo of the key in Into, which goes
	Old       []byte          `json:"old,omitempty"`      // the certificate of the key that goes, where the card has it
	Public    []byte          `json:"public,omitempty"`   // SubjectPublicKeyInfo, once known
	CSR       []byte          `json:"csr,omitempty"`
	Issued    *enroll.Issued  `json:"issued,omitempty"`
	// Scrap tells that the key in Before was made by us, and is of no use to anyone.
	Scrap bool `json:"scrap,omitempty"`
	// Refused is a key, made for this, that the CA won't certify: it may go.
	Refused bool `json:"refused,omitempty"`
}

// home is the slot that the key is for.
func (k *pendingKey) home() piv.Slot {
	if k.Into != 0 {
		return k.Into
	}
	return k.Slot
}

// made reports whether the key is there.
func (k *pendingKey) made() bool { return k.Public != nil }

// stays reports whether the key was there before, and is only certified anew.
func (k *pendingKey) stays() bool { return k.made() && bytes.Equal(k.Public, k.Before) }

// A member is one key of those that an offer is for, and the profile that it is certified by.
type member struct {
	profile string
	plan    *enroll.Plan
}

// membersOf are the offer's own and its companions', in their order.
func membersOf(offer *enroll.Offer) []member {
	all := []member{{offer.Profile, &offer.Plan}}
	for i := range offer.With {
		all = append(all, member{offer.With[i].Profile, &offer.With[i].Plan})
	}
	return all
}

// slotsOf are the slots that an offer has a use for.
func slotsOf(offer *enroll.Offer) (all []piv.Slot) {
	for _, m := range membersOf(offer) {
		all = append(append(all, m.plan.Slot), m.plan.AlsoSlots...)
	}
	return all
}

// planFor is the plan of the member of that profile; nil where there is none.
func planFor(members []member, profile string) *enroll.Plan {
	for _, m := range members {
		if m.profile == profile {
			return m.plan
		}
	}
	return nil
}
