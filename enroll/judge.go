package enroll

import (
	"slices"
	"strings"

	"signet/ca"
	"signet/piv"
)

// Judge holds a key, as its statement describes it, against the plan, and returns every rule that
// refuses it: none where the key is let in. The algorithm is the statement's key's;
// where the statement is a record without one, the caller names it.
func (p *Plan) Judge(s *piv.Statement, algorithm piv.Algorithm) []*RefusedError {
	if s.Public != nil {
		algorithm = piv.Algorithm(ca.KeyAlgorithm(s.Public))
	}
	var out []*RefusedError
	when := func(refused bool, rule, format string, args ...any) {
		if refused {
			out = append(out, refusef(rule, format, args...))
		}
	}
	// The policies are least ones: a key that asks for more than the plan is let in.
	when(!p.in(s.Slot, s.Firmware), "attestation.slot", "the key is in slot %s, the profile wants %s", s.Slot, p.Slot)
	when(s.PINPolicy < p.PINPolicy || s.PINPolicy > piv.PINAlways, "attestation.pin-policy",
		"the key's PIN policy is %s, the profile wants %s", s.PINPolicy, p.PINPolicy)
	when(touchRank(s.TouchPolicy) < touchRank(p.TouchPolicy), "attestation.touch-policy",
		"the key's touch policy is %s, the profile wants %s", s.TouchPolicy, p.TouchPolicy)
	when(s.Firmware.Less(p.MinFirmware), "attestation.firmware",
		"the card's firmware is %s, the profile wants %s or newer", s.Firmware, p.MinFirmware)
	out = append(out, p.judgeFaults(s, algorithm)...)
	when(p.FIPS && !s.FIPS, "attestation.fips", "the card is not of the FIPS series")
	when(p.Devices.CSPN && !s.CSPN, "attestation.cspn", "the card is not of the CSPN series")
	when(len(p.FormFactors) > 0 && !slices.Contains(p.FormFactors, s.FormFactor), "attestation.form-factor",
		"the profile does not let in cards of this shape")
	return append(out, p.Devices.judgeCard(s.Serial)...)
}

// judgeFaults refuses firmware whose keys are not what they should be. ROCA needs no configuration:
// such a key is no key.
func (p *Plan) judgeFaults(s *piv.Statement, algorithm piv.Algorithm) (out []*RefusedError) {
	roca, _ := piv.AdvisoryNamed("roca")
	if roca.Affects(s.Firmware, s.FormFactor, algorithm) {
		out = append(out, refusef("attestation.roca", "cards with firmware %s make RSA keys that can be factored", s.Firmware))
	}
	for _, b := range p.Devices.Blocked {
		switch {
		case !b.blocks(s, algorithm), b.Advisory != nil && b.Advisory.Name == roca.Name:
		case b.Advisory != nil:
			out = append(out, refusef("attestation.blocked-firmware", "the card's firmware is %s, and %s: %s",
				s.Firmware, b.Advisory.Fault, b.Advisory.ID))
		default:
			out = append(out, refusef("attestation.blocked-firmware", "the card's firmware is %s, which the profile does not let in", s.Firmware))
		}
	}
	return out
}

// judgeCard looks at the serial number. A card that doesn't tell it may be any.
func (d *Devices) judgeCard(serial uint32) (out []*RefusedError) {
	switch {
	case len(d.allowed) == 0 || serial != 0 && has(d.allowed, serial):
	case serial == 0:
		out = append(out, refuse("attestation.card", "the card does not tell its serial number, and the profile lets in some cards only"))
	default:
		out = append(out, refusef("attestation.card", "the profile does not let in the card %d", serial))
	}
	switch {
	case len(d.denied) == 0:
	case serial == 0:
		out = append(out, refuse("attestation.card-denied", "the card does not tell its serial number, and the profile denies some cards"))
	case has(d.denied, serial):
		out = append(out, refusef("attestation.card-denied", "the card %d is denied", serial))
	}
	return out
}

// admit is Judge as one error: the first refusal, whose reason names the others.
func (p *Plan) admit(s *piv.Statement) error {
	refused := p.Judge(s, "")
	if len(refused) == 0 {
		return nil
	}
	first := *refused[0]
	var also []string
	for _, r := range refused[1:] {
		also = append(also, r.Reason)
	}
	if len(also) > 0 {
		first.Reason += "; also: " + strings.Join(also, "; ")
	}
	return &first
}

// touchRank orders touch policies by how much they ask: the card's own numbers
// have cached above always.
func touchRank(t piv.TouchPolicy) int {
	return slices.Index([]piv.TouchPolicy{piv.TouchNever, piv.TouchCached, piv.TouchAlways}, t)
}
