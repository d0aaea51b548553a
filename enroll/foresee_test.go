package enroll

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"signet/piv"
)

// What a card tells is judged as its statement will be; what it doesn't tell is left to that.
func TestForesee(t *testing.T) {
	device := func(d DeviceConfig) PlanConfig { return PlanConfig{DeviceConfig: d} }
	good := AtHand{Serial: 1001, Firmware: piv.Version{5, 7, 1}, FormFactor: 3, Series: &piv.Series{FIPS: true}}
	for name, c := range map[string]struct {
		plan  PlanConfig
		alter func(*AtHand)
		rules []string
	}{
		"as wanted":          {PlanConfig{FIPS: true, FormFactors: []string{"usb-c-keychain"}, CardSerials: []uint32{1001}}, nil, nil},
		"not FIPS":           {PlanConfig{FIPS: true}, func(c *AtHand) { c.Series = &piv.Series{} }, []string{"attestation.fips"}},
		"series not told":    {PlanConfig{FIPS: true}, func(c *AtHand) { c.Series = nil }, nil},
		"not CSPN":           {device(DeviceConfig{CSPN: true}), nil, []string{"attestation.cspn"}},
		"another shape":      {PlanConfig{FormFactors: []string{"usb-c-nano"}}, nil, []string{"attestation.form-factor"}},
		"shape not told":     {PlanConfig{FormFactors: []string{"usb-c-nano"}}, func(c *AtHand) { c.FormFactor = 0 }, nil},
		"another card":       {PlanConfig{CardSerials: []uint32{1002}}, nil, []string{"attestation.card"}},
		"serial not told":    {PlanConfig{CardSerials: []uint32{1001}}, func(c *AtHand) { c.Serial = 0 }, []string{"attestation.card"}},
		"old, and blocked":   {PlanConfig{MinFirmware: "5.7.2", DeviceConfig: DeviceConfig{BlockedFirmware: []string{"5.7.0-5.7.1"}}}, nil, []string{"attestation.firmware", "attestation.blocked-firmware"}},
		"ROCA without rules": {PlanConfig{}, func(c *AtHand) { c.Firmware = piv.Version{4, 3, 1} }, []string{"attestation.roca"}},
	} {
		p, err := NewPlan(c.plan)
		if err != nil {
			t.Fatal(err)
		}
		card := good
		if c.alter != nil {
			c.alter(&card)
		}
		var rules []string
		for _, r := range p.Foresee(card, piv.RSA2048) {
			rules = append(rules, r.Rule)
		}
		if !slices.Equal(rules, c.rules) {
			t.Errorf("%s: %v, want %v", name, rules, c.rules)
		}
	}
}

// Clients are told all the cards let in, or none: they refuse what is not on the list.
func TestHalfAListOfCardsIsNotOffered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cards.txt")
	if err := os.WriteFile(file, []byte("1002\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[int]PlanConfig{
		1: {CardSerials: []uint32{1001}},
		0: {CardSerials: []uint32{1001}, DeviceConfig: DeviceConfig{CardSerialsFile: file}},
	} {
		p, err := NewPlan(c)
		if err != nil {
			t.Fatal(err)
		}
		var offered Plan
		data, _ := json.Marshal(p)
		if err := json.Unmarshal(data, &offered); err != nil || len(offered.CardSerials) != want {
			t.Errorf("%s: %d cards, %v, want %d", data, len(offered.CardSerials), err, want)
		}
	}
}
