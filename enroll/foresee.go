package enroll

import (
	"slices"

	"signet/piv"
)

// AtHand is what a card tells of itself before it has made a key.
type AtHand struct {
	Serial     uint32 // 0 where it doesn't tell
	Firmware   piv.Version
	FormFactor byte // as in [piv.Statement]; 0 where it doesn't tell
	// Series is what it tells of the certified ones; nil where it doesn't.
	Series *piv.Series
}

// Foresee is Judge before the key is made: every rule by which the server would refuse a key of
// that algorithm that this card makes as the plan wants it. What the card doesn't tell is left
// to the attestation.
func (p *Plan) Foresee(card AtHand, algorithm piv.Algorithm) []*RefusedError {
	st := &piv.Statement{Slot: p.Slot, PINPolicy: p.PINPolicy, TouchPolicy: p.TouchPolicy,
		Serial: card.Serial, Firmware: card.Firmware, FormFactor: card.FormFactor}
	var unknown []string
	if card.FormFactor == 0 {
		unknown = append(unknown, "attestation.form-factor")
	}
	if card.Series != nil {
		st.FIPS, st.CSPN = card.Series.FIPS, card.Series.CSPN
	} else {
		unknown = append(unknown, "attestation.fips", "attestation.cspn")
	}
	return slices.DeleteFunc(p.Judge(st, algorithm), func(e *RefusedError) bool { return slices.Contains(unknown, e.Rule) })
}
