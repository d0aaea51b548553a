//go:build cgo

package main

import (
	"github.com/rogpeppe/go-internal/testscript"

	"signet/ca"
	"signet/enroll"
)

// companions are the profiles that "user" may have as its companions: signing in 9c, encryption
// in 9d, which runs out first, and archive in 82.
func companions() (map[string]*enroll.Profile, error) {
	out := map[string]*enroll.Profile{}
	for _, c := range []struct {
		name, slot, pin, lifetime string
		usages                    []string
	}{
		{"signing", "9c", "always", "365d", []string{"digitalSignature", "contentCommitment"}},
		{"encryption", "9d", "once", "100d", []string{"keyAgreement"}},
		{"archive", "82", "once", "365d", []string{"keyAgreement"}},
	} {
		base, err := ca.NewProfile(c.name, ca.ProfileConfig{SANs: []string{"email"}, ExtKeyUsages: []string{"emailProtection"},
			KeyUsages: c.usages, Lifetime: c.lifetime, KeyAlgorithms: []string{"P-256"}})
		if err != nil {
			return nil, err
		}
		if out[c.name], err = enroll.NewProfile(base, enroll.PlanConfig{Slot: c.slot, PINPolicy: c.pin}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// cmdCompanions has the profile user have those companions from now on.
func cmdCompanions(ts *testscript.TestScript, _ bool, args []string) {
	w := current(ts)
	user := *w.profiles["user"]
	user.With = args
	w.profiles["user"] = &user
	ts.Check(w.enroller.SetPolicy(w.profiles, w.roots))
}
