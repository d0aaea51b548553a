package main

import (
	"crypto/x509"
	"fmt"

	"signet/ca"
	"signet/enroll"
	"signet/internal/cardserials"
	"signet/piv"
)

// A planDraft is what of a configuration decides about keys, with the files it names read: the
// server judges by it, and not by what is in force there.
type planDraft struct {
	Profiles map[string]draftProfile `json:"profiles"`
	Roots    [][]byte                `json:"roots,omitempty"` // DER
}

// A draftProfile is one [profiles.NAME] of it.
type draftProfile struct {
	Profile ca.ProfileConfig  `json:"profile"`
	With    []string          `json:"with,omitempty"`
	Key     enroll.PlanConfig `json:"key"`
	// Denied are those of Key, which its JSON leaves out, and of its file.
	Denied []uint32 `json:"denied,omitempty"`
}

// maxDraft bounds a draft, in octets: lists of serial numbers may be long.
const maxDraft = 64 << 20

func draftOf(c *Config) (*planDraft, error) {
	out := &planDraft{Profiles: map[string]draftProfile{}}
	for name, p := range c.Profiles {
		plan := c.keyPlan(name)
		allowed, err := withFile(plan.CardSerials, plan.CardSerialsFile)
		if err != nil {
			return nil, err
		}
		denied, err := withFile(plan.DeniedSerials, plan.DeniedSerialsFile)
		if err != nil {
			return nil, err
		}
		plan.CardSerials, plan.CardSerialsFile = allowed, ""
		plan.DeniedSerials, plan.DeniedSerialsFile = nil, ""
		out.Profiles[name] = draftProfile{Profile: p.ProfileConfig, With: p.With, Key: plan, Denied: denied}
	}
	for _, root := range c.attestationRoots {
		out.Roots = append(out.Roots, root.Raw)
	}
	return out, nil
}

// withFile is what the configuration lists and what the file does.
func withFile(listed []uint32, file string) ([]uint32, error) {
	if file == "" {
		return listed, nil
	}
	l, err := cardserials.ReadFile(file)
	return append(listed[:len(listed):len(listed)], l.Serials...), err
}

// policy is the draft, checked.
func (d *planDraft) policy() (map[string]*enroll.Profile, *piv.Roots, error) {
	profiles := map[string]*enroll.Profile{}
	for name, in := range d.Profiles {
		p, err := ca.NewProfile(name, in.Profile)
		if err != nil {
			return nil, nil, fmt.Errorf("profiles.%s: %w", name, err)
		}
		in.Key.DeniedSerials = in.Denied
		if profiles[name], err = enroll.NewProfile(p, in.Key, in.With...); err != nil {
			return nil, nil, fmt.Errorf("profiles.%s: %w", name, err)
		}
	}
	var roots []*x509.Certificate
	for _, der := range d.Roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("attestation.roots: %w", err)
		}
		roots = append(roots, root)
	}
	return profiles, piv.NewRoots(roots...), enroll.CheckSets(profiles)
}
