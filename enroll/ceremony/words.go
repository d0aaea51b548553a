package ceremony

import (
	"fmt"
	"strings"

	"signet/enroll"
	"signet/piv"
)

// maxNamed bounds the cards that are named in words.
const maxNamed = 5

// planInWords is what the CA wants, for a person: "a P-256 key in slot 9a, PIN once, no touch,
// made and attested by the card, firmware 5.4.3 or later".
func planInWords(p *enroll.Plan, a piv.Algorithm) string {
	parts := []string{
		keyInWords(a) + " in slot " + p.Slot.String(),
		map[piv.PINPolicy]string{piv.PINNever: "no PIN", piv.PINOnce: "PIN once", piv.PINAlways: "PIN each time"}[p.PINPolicy],
		map[piv.TouchPolicy]string{piv.TouchNever: "no touch", piv.TouchCached: "a touch (good for 15 seconds)", piv.TouchAlways: "a touch each time"}[p.TouchPolicy],
	}
	if p.Attestation == enroll.AttestationRequired {
		parts = append(parts, "attested by the card")
	}
	parts = append(parts, "firmware "+p.MinFirmware.String()+" or later")
	return strings.Join(append(parts, devicesInWords(p)...), ", ")
}

func keyInWords(a piv.Algorithm) string {
	if strings.HasPrefix(string(a), "RSA") || a == piv.Ed25519 {
		return "an " + string(a) + " key"
	}
	return "a " + string(a) + " key"
}

func devicesInWords(p *enroll.Plan) (parts []string) {
	add := func(when bool, format string, args ...any) {
		if when {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	var blocked, shapes, cards []string
	for _, b := range p.Devices.Blocked {
		blocked = append(blocked, b.String())
	}
	for _, f := range p.FormFactors {
		shapes = append(shapes, enroll.FormFactorName(f))
	}
	for _, n := range p.CardSerials[:min(len(p.CardSerials), maxNamed)] {
		cards = append(cards, fmt.Sprint(n))
	}
	if more := len(p.CardSerials) - len(cards); more > 0 {
		cards = append(cards, fmt.Sprintf("%d more", more))
	}
	add(blocked != nil, "but not %s", strings.Join(blocked, " or "))
	add(p.FIPS, "a card of the FIPS series")
	add(p.Devices.CSPN, "a card of the CSPN series")
	add(shapes != nil, "of shape %s", strings.Join(shapes, " or "))
	add(cards != nil, "card %s", strings.Join(cards, " or "))
	add(p.PINTries > 0, "%d PIN tries on a new card", p.PINTries)
	add(p.PUKTries > 0, "%d PUK tries on a new card", p.PUKTries)
	add(p.PUKEscrow, "a PUK that the CA keeps, sealed")
	return parts
}

// slotsInWords is "94, 95", or "none".
func slotsInWords(all []piv.Slot) string {
	var words []string
	for _, s := range all {
		words = append(words, s.String())
	}
	if words == nil {
		return "none"
	}
	return strings.Join(words, ", ")
}

// listed is "signing in slot 9c, encryption in slot 9d".
func listed(all []Missing) string {
	var words []string
	for _, m := range all {
		words = append(words, m.String())
	}
	return strings.Join(words, ", ")
}
