package enroll

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"signet/ca"
	"signet/piv"
)

func TestPlanDefaults(t *testing.T) {
	p, err := NewPlan(PlanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	want := PlanConfig{Slot: "9a", AlsoSlots: []string{"94", "95"}, PINPolicy: "once", TouchPolicy: "never", Attestation: "required", MinFirmware: "4.3.0"}
	if got := p.Config(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// An error names every field that is wrong, at once.
func TestPlanRefused(t *testing.T) {
	for want, c := range map[string]PlanConfig{
		"slot":         {Slot: "f9"},
		"also_slots":   {AlsoSlots: []string{"9c"}},
		"pin_policy":   {PINPolicy: "sometimes"},
		"touch_policy": {TouchPolicy: "sometimes"},
		"attestation":  {Attestation: "maybe"},
		"min_firmware": {MinFirmware: "5"},
		"form_factors": {FormFactors: []string{"round"}},
		"4.3.0":        {MinFirmware: "4.2.8"},
		"fips":         {FIPS: true, Attestation: "optional"},
		"card_serials": {CardSerials: []uint32{0}},

		"blocked_firmware":    {DeviceConfig: DeviceConfig{BlockedFirmware: []string{"5.x"}}},
		"newer to older":      {DeviceConfig: DeviceConfig{BlockedFirmware: []string{"5.4.3-5.4.2"}}},
		"ysa-2024-03":         {DeviceConfig: DeviceConfig{BlockedFirmware: []string{"ysa-2024-3"}}},
		"card_serials_file":   {DeviceConfig: DeviceConfig{CardSerialsFile: "missing.csv"}},
		"denied_serials_file": {DeviceConfig: DeviceConfig{DeniedSerialsFile: "missing.txt"}},
		"denied_serials: 0":   {DeviceConfig: DeviceConfig{DeniedSerials: []uint32{0}}},
		"pin_tries":           {PINTries: 2},
		"puk_tries: -1":       {PUKTries: -1},
		"puk_tries: 16":       {PUKTries: 16},
		"cspn":                {DeviceConfig: DeviceConfig{CSPN: true}, Attestation: "none"},
	} {
		if _, err := NewPlan(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", c, err, want)
		}
	}
	_, err := NewPlan(PlanConfig{Slot: "xx", PINPolicy: "xx"})
	if err == nil || !strings.Contains(err.Error(), "slot") || !strings.Contains(err.Error(), "pin_policy") {
		t.Errorf("%v, want both fields named", err)
	}
}

func TestProfileWantsKeysOfCards(t *testing.T) {
	c := ca.DefaultProfile()
	c.KeyAlgorithms = []string{"P-384", "RSA-2048", "Ed25519"}
	base, err := ca.NewProfile("user", c)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProfile(base, PlanConfig{})
	if err != nil || !reflect.DeepEqual(p.Plan.Algorithms, []piv.Algorithm{piv.P384, piv.RSA2048, piv.Ed25519}) {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := NewProfile(base, PlanConfig{Slot: "00"}); err == nil || !strings.Contains(err.Error(), "profile user: key: slot") {
		t.Errorf("%v, want profile and field named", err)
	}
}

// ROCA is in RSA keys alone: a card of that firmware makes good elliptic ones.
func TestAdmitWeakRSA(t *testing.T) {
	p, err := NewPlan(PlanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, admitted := range map[string]bool{"RSA-2048": false, "P-256": true} {
		key, err := ca.GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		s := &piv.Statement{Public: key.Public(), Slot: piv.SlotAuthentication, Firmware: piv.Version{4, 3, 4},
			PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever}
		if err := p.admit(s); (err == nil) != admitted {
			t.Errorf("%s of firmware 4.3.4: %v", algorithm, err)
		}
		s.Firmware = piv.Version{4, 3, 5}
		if err := p.admit(s); err != nil {
			t.Errorf("%s of firmware 4.3.5: %v", algorithm, err)
		}
		// A policy that no card knows is not more than any other.
		s.PINPolicy = 99
		if p.admit(s) == nil {
			t.Errorf("PIN policy 99 was let in")
		}
		s.PINPolicy, s.TouchPolicy = piv.PINOnce, 0
		if p.admit(s) == nil {
			t.Errorf("touch policy 0 was let in")
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte(`{"slot":"9a","algorithms":["P-256"],"pin_policy":"once","touch_policy":"never","attestation":"required","min_firmware":"4.3.0"}`))
	f.Add([]byte(`{"slot":"82","attestation":"none","min_firmware":"1.0.0"}`))
	f.Add([]byte(`{"form_factors":["usb-a-nano","lightning"],"card_serials":[1,2],"fips":true}`))
	f.Add([]byte(`{"pin_tries":5,"puk_tries":15}`))
	f.Add([]byte(`{"slot":"9g"}`))
	f.Add([]byte(`{"cspn":true,"blocked_firmware":["roca","5.4.2","4.2.0-4.3.4"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p, again Plan
		if json.Unmarshal(data, &p) != nil {
			return
		}
		out, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if again.Slot != p.Slot || again.PINPolicy != p.PINPolicy || again.MinFirmware != p.MinFirmware || !p.Slot.Valid() {
			t.Errorf("%+v is read again as %+v", p, again)
		}
	})
}
