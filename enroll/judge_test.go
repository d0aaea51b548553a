package enroll

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"signet/piv"
)

// aStatement is of a card that a plan of defaults lets in.
func aStatement() piv.Statement {
	return piv.Statement{Slot: piv.SlotAuthentication, Serial: 12345678, Firmware: piv.Version{5, 7, 4},
		PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever, FormFactor: 3}
}

func judged(t *testing.T, c PlanConfig, s piv.Statement, a piv.Algorithm) (rules []string) {
	t.Helper()
	p, err := NewPlan(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Judge(&s, a) {
		if r.Reason == "" || r.Hint == "" {
			t.Errorf("%s says no reason or hint: %+v", r.Rule, r)
		}
		rules = append(rules, r.Rule)
	}
	return rules
}

func blocked(texts ...string) PlanConfig {
	return PlanConfig{DeviceConfig: DeviceConfig{BlockedFirmware: texts}}
}

func TestJudge(t *testing.T) {
	orders := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(orders, []byte("model,serial\n5C,12345678\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	device := func(d DeviceConfig) PlanConfig { return PlanConfig{DeviceConfig: d} }
	for name, c := range map[string]struct {
		plan   PlanConfig
		alter  func(*piv.Statement)
		a      piv.Algorithm
		refuse string
	}{
		"defaults":                   {},
		"CSPN wanted":                {plan: device(DeviceConfig{CSPN: true}), refuse: "attestation.cspn"},
		"CSPN":                       {plan: device(DeviceConfig{CSPN: true}), alter: func(s *piv.Statement) { s.CSPN = true }},
		"in the order":               {plan: device(DeviceConfig{CardSerialsFile: orders})},
		"not in the order":           {plan: device(DeviceConfig{CardSerialsFile: orders}), alter: func(s *piv.Statement) { s.Serial++ }, refuse: "attestation.card"},
		"listed beside the order":    {plan: PlanConfig{CardSerials: []uint32{12345679}, DeviceConfig: DeviceConfig{CardSerialsFile: orders}}, alter: func(s *piv.Statement) { s.Serial++ }},
		"no serial, order":           {plan: device(DeviceConfig{CardSerialsFile: orders}), alter: func(s *piv.Statement) { s.Serial = 0 }, refuse: "attestation.card"},
		"denied":                     {plan: device(DeviceConfig{DeniedSerials: []uint32{1, 12345678}}), refuse: "attestation.card-denied"},
		"denied by file":             {plan: device(DeviceConfig{DeniedSerialsFile: orders}), refuse: "attestation.card-denied"},
		"another is denied":          {plan: device(DeviceConfig{DeniedSerials: []uint32{1}})},
		"no serial, others denied":   {plan: device(DeviceConfig{DeniedSerials: []uint32{1}}), alter: func(s *piv.Statement) { s.Serial = 0 }, refuse: "attestation.card-denied"},
		"version":                    {plan: blocked("5.7.4"), refuse: "attestation.blocked-firmware"},
		"first of a range":           {plan: blocked("5.7.4-5.7.9"), refuse: "attestation.blocked-firmware"},
		"last of a range":            {plan: blocked("5.4.0-5.7.4"), refuse: "attestation.blocked-firmware"},
		"after a range":              {plan: blocked("5.4.0-5.7.3")},
		"fixed, curves":              {plan: blocked("ysa-2024-03"), a: piv.P256},
		"leaking, curves":            {plan: blocked("ysa-2024-03"), a: piv.P384, alter: firmware(5, 4, 3), refuse: "attestation.blocked-firmware"},
		"leaking, RSA":               {plan: blocked("ysa-2024-03"), a: piv.RSA2048, alter: firmware(5, 4, 3)},
		"leaking, not blocked":       {a: piv.P256, alter: firmware(5, 4, 3)},
		"YubiKey 4, curves":          {plan: blocked("ysa-2024-03"), a: piv.P256, alter: firmware(4, 3, 5), refuse: "attestation.blocked-firmware"},
		"first fixed":                {plan: blocked("ysa-2024-03"), a: piv.P256, alter: firmware(5, 7, 0)},
		"Bio 5.7.1":                  {plan: blocked("ysa-2024-03"), a: piv.P256, alter: func(s *piv.Statement) { firmware(5, 7, 1)(s); s.FormFactor = 7 }, refuse: "attestation.blocked-firmware"},
		"Bio 5.7.2":                  {plan: blocked("ysa-2024-03"), a: piv.P256, alter: func(s *piv.Statement) { firmware(5, 7, 2)(s); s.FormFactor = 6 }},
		"made to be moved":           {alter: func(s *piv.Statement) { firmware(5, 7, 1)(s); s.Slot = 0x95 }},
		"made where none may be":     {alter: func(s *piv.Statement) { firmware(5, 7, 1)(s); s.Slot = 0x82 }, refuse: "attestation.slot"},
		"a slot that was named":      {plan: PlanConfig{AlsoSlots: []string{"82"}}, alter: func(s *piv.Statement) { firmware(5, 7, 1)(s); s.Slot = 0x82 }},
		"not to be moved":            {plan: PlanConfig{AlsoSlots: []string{}}, alter: func(s *piv.Statement) { firmware(5, 7, 1)(s); s.Slot = 0x95 }, refuse: "attestation.slot"},
		"a card that moves no keys":  {alter: func(s *piv.Statement) { firmware(5, 4, 3)(s); s.Slot = 0x95 }, refuse: "attestation.slot"},
		"ROCA, always":               {a: piv.RSA2048, alter: firmware(4, 3, 4), refuse: "attestation.roca"},
		"ROCA, named: refused once":  {plan: blocked("roca"), a: piv.RSA2048, alter: firmware(4, 3, 4), refuse: "attestation.roca"},
		"ROCA's firmware, any key":   {plan: blocked("4.2.0-4.3.4"), a: piv.P256, alter: firmware(4, 3, 4), refuse: "attestation.blocked-firmware"},
		"ROCA's firmware, curve key": {plan: blocked("roca"), a: piv.P256, alter: firmware(4, 3, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			s := aStatement()
			if c.alter != nil {
				c.alter(&s)
			}
			if got := judged(t, c.plan, s, c.a); strings.Join(got, " ") != c.refuse {
				t.Errorf("refused by %v, want %q", got, c.refuse)
			}
		})
	}
}

func firmware(major, minor, patch byte) func(*piv.Statement) {
	return func(s *piv.Statement) { s.Firmware = piv.Version{major, minor, patch} }
}

// Whoever is refused hears everything that is wrong, not one thing after the other.
func TestEveryRefusalAtOnce(t *testing.T) {
	s := aStatement()
	s.Slot, s.PINPolicy, s.Firmware = piv.SlotSignature, piv.PINNever, piv.Version{5, 2, 7}
	c := PlanConfig{MinFirmware: "5.7.0", TouchPolicy: "always", FIPS: true, FormFactors: []string{"usb-a-nano"}, CardSerials: []uint32{1},
		DeviceConfig: DeviceConfig{CSPN: true, DeniedSerials: []uint32{s.Serial}, BlockedFirmware: []string{"5.2.7", "ysa-2024-03"}}}
	want := []string{"attestation.slot", "attestation.pin-policy", "attestation.touch-policy", "attestation.firmware",
		"attestation.blocked-firmware", "attestation.blocked-firmware", "attestation.fips", "attestation.cspn",
		"attestation.form-factor", "attestation.card", "attestation.card-denied"}
	if got := judged(t, c, s, piv.P256); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	p, err := NewPlan(c)
	if err != nil {
		t.Fatal(err)
	}
	err = p.admit(&s)
	for _, part := range []string{"slot 9c", "; also: ", "PIN policy", "FIPS", "CSPN", "is denied"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

// Clients get the plan; which cards are denied, and what files list, is not theirs to know.
func TestPlanKeepsCardsToItself(t *testing.T) {
	p, err := NewPlan(PlanConfig{DeviceConfig: DeviceConfig{CSPN: true, DeniedSerials: []uint32{87654321}, BlockedFirmware: []string{"roca", "5.4.2-5.4.3", "5.2.0"}}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "87654321") || !strings.Contains(string(out), `"cspn":true,"blocked_firmware":["roca","5.4.2-5.4.3","5.2.0"]`) {
		t.Errorf("%s", out)
	}
	// Nor can a server have a client read a file.
	var again Plan
	if err := json.Unmarshal([]byte(`{"card_serials_file":"/etc/hostname","CardSerialsFile":"/etc/hostname"}`), &again); err != nil || again.Devices.allowed != nil {
		t.Errorf("%v, %+v", err, again)
	}
}
