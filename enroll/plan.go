package enroll

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"signet/ca"
	"signet/piv"
)

// A PlanConfig is a key plan as the configuration file states it, in
// [profiles.NAME.key]. An empty field takes the default named at it. [NewPlan]
// checks it whole.
type PlanConfig struct {
	// Slot is the PIV slot that the key must be in: "9a" (the default), "9c",
	// "9d", "9e", or a retired one, "82" to "95".
	Slot string `toml:"slot" json:"slot"`
	// AlsoSlots are retired slots that a card which can move keys, firmware 5.7 and
	// later, may make the key in as well, to be moved to Slot: a renewal then has a new
	// key before the old one goes. "94" and "95" where it is left out; none by an empty list.
	AlsoSlots []string `toml:"also_slots" json:"also_slots"`
	// PINPolicy is how often the card must at least ask for the PIN: "never",
	// "once" (the default) or "always".
	PINPolicy string `toml:"pin_policy" json:"pin_policy"`
	// TouchPolicy is how often the card must at least ask for a touch: "never"
	// (the default), "cached" (good for 15 seconds) or "always".
	TouchPolicy string `toml:"touch_policy" json:"touch_policy"`
	// Attestation is whether the card must prove that it made the key:
	// "required" (the default), "optional" (checked where given) or "none".
	Attestation string `toml:"attestation" json:"attestation"`
	// MinFirmware is the oldest firmware let in, "4.3.0" by default: the first
	// that attests.
	MinFirmware string `toml:"min_firmware" json:"min_firmware"`
	// FIPS lets in only cards of the FIPS series.
	FIPS bool `toml:"fips" json:"fips,omitempty"`
	// FormFactors are the shapes let in, as [FormFactors] lists them; all where
	// there is none.
	FormFactors []string `toml:"form_factors" json:"form_factors,omitempty"`
	// CardSerials are the serial numbers of the cards let in; all where there is none.
	CardSerials []uint32 `toml:"card_serials" json:"card_serials,omitempty"`
	DeviceConfig
	// PINTries and PUKTries are how often a wrong PIN and a wrong PUK may be given, 3 to 15, on a
	// card that is set up for this; 0 leaves the card's number.
	PINTries int `toml:"pin_tries" json:"pin_tries,omitempty"`
	PUKTries int `toml:"puk_tries" json:"puk_tries,omitempty"`
	// PUKEscrow has the card's PUK made at random, shown to nobody and kept by the CA,
	// sealed, so that an officer can have it released.
	PUKEscrow bool `toml:"puk_escrow" json:"puk_escrow,omitempty"`
}

// An AttestationRule is whether a card must prove that it made the key.
type AttestationRule string

// The rules: with optional, an attestation that is given must be good; with
// none it is not looked at, and no card is recorded.
const (
	AttestationRequired AttestationRule = "required"
	AttestationOptional AttestationRule = "optional"
	AttestationNone     AttestationRule = "none"
)

// A Plan says which key a profile wants. It is made by [NewPlan] and cannot be
// wrong. Its JSON form is that of docs/api.md.
type Plan struct {
	Slot        piv.Slot
	AlsoSlots   []piv.Slot      // on cards that can move keys
	PINPolicy   piv.PINPolicy   // at least this
	TouchPolicy piv.TouchPolicy // at least this
	Attestation AttestationRule
	MinFirmware piv.Version
	FIPS        bool
	FormFactors []byte   // as in piv.Statement; nil for all
	CardSerials []uint32 // those that the configuration itself lists
	Devices     Devices
	PINTries    int // of a card that is set up; 0 for the card's own
	PUKTries    int
	PUKEscrow   bool
	// Algorithms are those that the profile lets be certified, the preferred
	// first. [NewProfile] fills them in.
	Algorithms []piv.Algorithm
}

// firstAttesting is the first firmware whose PIV application attests.
var firstAttesting = piv.Version{4, 3, 0}

// formFactors are the shapes of extension 1.3.6.1.4.1.41482.3.9.
var formFactors = map[string]byte{
	"usb-a-keychain": 1, "usb-a-nano": 2, "usb-c-keychain": 3, "usb-c-nano": 4,
	"lightning": 5, "usb-a-bio": 6, "usb-c-bio": 7,
}

// FormFactors are the names that PlanConfig.FormFactors takes.
func FormFactors() []string { return slices.Sorted(maps.Keys(formFactors)) }

// FormFactorName is the name of a statement's form factor, "" for an unknown one.
func FormFactorName(b byte) string {
	for name, v := range formFactors {
		if v == b {
			return name
		}
	}
	return ""
}

// NewPlan checks c. Its error names every field that is wrong.
func NewPlan(c PlanConfig) (Plan, error) {
	var errs []error
	fail := func(field string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
		}
	}
	p := Plan{FIPS: c.FIPS, CardSerials: slices.Clone(c.CardSerials), PUKEscrow: c.PUKEscrow,
		PINTries: c.PINTries, PUKTries: c.PUKTries}
	var err error
	p.Slot, err = piv.ParseSlot(orDefault(c.Slot, "9a"))
	fail("slot", err)
	p.AlsoSlots, err = parseAlsoSlots(c.AlsoSlots)
	fail("also_slots", err)
	p.PINPolicy, err = piv.ParsePINPolicy(orDefault(c.PINPolicy, "once"))
	fail("pin_policy", err)
	p.TouchPolicy, err = piv.ParseTouchPolicy(orDefault(c.TouchPolicy, "never"))
	fail("touch_policy", err)
	p.Attestation, err = parseAttestationRule(orDefault(c.Attestation, "required"))
	fail("attestation", err)
	p.MinFirmware, err = piv.ParseVersion(orDefault(c.MinFirmware, firstAttesting.String()))
	fail("min_firmware", err)
	p.FormFactors, err = parseFormFactors(c.FormFactors)
	fail("form_factors", err)
	fail("pin_tries", CheckTries(c.PINTries))
	fail("puk_tries", CheckTries(c.PUKTries))
	if p.Devices, err = newDevices(c.DeviceConfig, c.CardSerials); err != nil {
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		errs = append(errs, p.consistent(c.DeviceConfig.restricts()))
	}
	if err := errors.Join(errs...); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// consistent checks what no field can be wrong about alone.
func (p *Plan) consistent(restricts bool) error {
	restricts = restricts || p.FIPS || len(p.FormFactors) > 0 || len(p.CardSerials) > 0
	switch {
	case p.Attestation != AttestationRequired && p.PUKEscrow:
		return errors.New("puk_escrow: which card it is can only be known by attestation = \"required\"")
	case p.Attestation != AttestationRequired && restricts:
		return errors.New("fips, cspn, form_factors, blocked_firmware, and card and denied serials can only be known by attestation = \"required\"")
	case p.Attestation == AttestationRequired && p.MinFirmware.Less(firstAttesting):
		return fmt.Errorf("min_firmware %s: the first firmware that attests is %s", p.MinFirmware, firstAttesting)
	case slices.Contains(p.CardSerials, 0):
		return errors.New("card_serials: 0 is no card's serial number")
	}
	return nil
}

// CheckTries refuses a number of tries that would have a card blocked by a slip, since the last
// try is never spent, or that old cards can't tell: they have four bits for those left.
func CheckTries(n int) error {
	if n == 0 || n >= 3 && n <= 15 {
		return nil
	}
	return fmt.Errorf("%d tries: 3 to 15, or 0 for what the card has", n)
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// oneOf is "P-256" or "one of P-256, RSA-2048".
func oneOf[T ~string](all []T) string {
	var words []string
	for _, one := range all {
		words = append(words, string(one))
	}
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

func parseAttestationRule(s string) (AttestationRule, error) {
	switch r := AttestationRule(s); r {
	case AttestationRequired, AttestationOptional, AttestationNone:
		return r, nil
	}
	return "", fmt.Errorf("%q is no attestation rule: required, optional or none", s)
}

func parseAlsoSlots(names []string) (out []piv.Slot, err error) {
	if names == nil {
		return []piv.Slot{0x94, 0x95}, nil
	}
	for _, name := range names {
		s, err := piv.ParseSlot(name)
		if err == nil && !slices.Contains(piv.RetiredSlots(), s) {
			err = fmt.Errorf("%q is no retired slot: 82 to 95", name)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// in reports whether a card of that firmware may have made the key in slot s. Where a
// card can move keys, a statement tells where the key was made, not where it is.
func (p *Plan) in(s piv.Slot, firmware piv.Version) bool {
	return s == p.Slot || !firmware.Less(piv.FirstMoving) && slices.Contains(p.AlsoSlots, s)
}

func parseFormFactors(names []string) (out []byte, err error) {
	for _, name := range names {
		b, ok := formFactors[name]
		if !ok {
			return nil, fmt.Errorf("%q is no form factor: %s", name, strings.Join(FormFactors(), ", "))
		}
		out = append(out, b)
	}
	return out, nil
}

// planJSON is a Plan on the wire.
type planJSON struct {
	PlanConfig
	Algorithms []piv.Algorithm `json:"algorithms"`
}

// Config is the plan as a configuration would state it, no field left to a default. What
// files list, and which cards are denied, is not in it.
func (p Plan) Config() PlanConfig {
	c := PlanConfig{
		Slot: p.Slot.String(), PINPolicy: p.PINPolicy.String(), TouchPolicy: p.TouchPolicy.String(),
		Attestation: string(p.Attestation), MinFirmware: p.MinFirmware.String(),
		FIPS: p.FIPS, CardSerials: p.CardSerials, PUKEscrow: p.PUKEscrow,
		PINTries: p.PINTries, PUKTries: p.PUKTries,
	}
	c.AlsoSlots = make([]string, 0, len(p.AlsoSlots)) // not nil, which would mean the default
	for _, s := range p.AlsoSlots {
		c.AlsoSlots = append(c.AlsoSlots, s.String())
	}
	c.CSPN = p.Devices.CSPN
	for _, b := range p.Devices.Blocked {
		c.BlockedFirmware = append(c.BlockedFirmware, b.String())
	}
	for _, b := range p.FormFactors {
		c.FormFactors = append(c.FormFactors, FormFactorName(b))
	}
	return c
}

// MarshalJSON is the "plan" of docs/api.md.
func (p Plan) MarshalJSON() ([]byte, error) {
	c := p.Config()
	if len(p.Devices.allowed) > len(p.CardSerials) {
		c.CardSerials = nil // a file lists more: half a list would have clients refuse the others
	}
	return json.Marshal(planJSON{PlanConfig: c, Algorithms: p.Algorithms})
}

// UnmarshalJSON checks what it reads as NewPlan does.
func (p *Plan) UnmarshalJSON(data []byte) error {
	var in planJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if in.AlsoSlots == nil {
		in.AlsoSlots = []string{} // a server that doesn't know of them
	}
	plan, err := NewPlan(in.PlanConfig)
	if err != nil {
		return fmt.Errorf("key plan: %w", err)
	}
	plan.Algorithms = in.Algorithms
	*p = plan
	return nil
}

// A Profile is what a certificate may be, and which key it may be for.
type Profile struct {
	*ca.Profile
	Plan Plan
	// With are the names of the profiles that are enrolled together with it, its
	// companions; [CheckSets] checks them.
	With []string
}

// NewProfile joins a profile, its key plan and its companions, and checks that a card can
// hold what the profile wants.
func NewProfile(p *ca.Profile, c PlanConfig, with ...string) (*Profile, error) {
	plan, err := NewPlan(c)
	if err != nil {
		return nil, fmt.Errorf("profile %s: key: %w", p.Name(), err)
	}
	for _, name := range p.KeyAlgorithms() {
		a := piv.Algorithm(name)
		if !slices.Contains(cardAlgorithms, a) {
			return nil, fmt.Errorf("profile %s: no card makes %s keys: %s", p.Name(), name, oneOf(cardAlgorithms))
		}
		plan.Algorithms = append(plan.Algorithms, a)
	}
	if len(plan.Algorithms) == 0 {
		return nil, fmt.Errorf("profile %s: it names no key algorithm", p.Name())
	}
	return &Profile{Profile: p, Plan: plan, With: slices.Clone(with)}, nil
}

var cardAlgorithms = []piv.Algorithm{piv.P256, piv.P384, piv.RSA2048, piv.RSA3072, piv.RSA4096, piv.Ed25519}
