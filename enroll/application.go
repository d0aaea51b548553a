package enroll

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"signet/ca"
)

// An application is what is handed in at once: one CSR, or several for one card, of
// which all become certificates or none.
type application struct {
	id     *Identity
	policy *policy
	at     time.Time
	// main is the profile by which id may have them all: that of the first CSR or, where
	// that is for a companion, the one whose certificate id showed.
	main *Profile
	csrs []*submitted
	// missing are those companions of main that are not asked for.
	missing []string
}

func (e *Enroller) apply(id *Identity, requests []Request) *application {
	a := &application{id: id, policy: e.policy.Load(), at: e.now(), csrs: make([]*submitted, len(requests))}
	for i, r := range requests {
		a.csrs[i] = &submitted{id: id, name: r.Profile, der: r.CSR, digest: sha256.Sum256(r.CSR), at: a.at}
	}
	return a
}

// A memberError is what is wrong with one of several CSRs.
type memberError struct {
	profile string
	err     error
}

func (e *memberError) Error() string { return e.profile + ": " + e.err.Error() }
func (e *memberError) Unwrap() error { return e.err }

// each calls check with the CSRs, and says which of several it refused.
func (a *application) each(check func(*submitted) error) error {
	for _, s := range a.csrs {
		err := check(s)
		switch {
		case err == nil:
		case len(a.csrs) > 1:
			return &memberError{s.profile.Name(), err}
		default:
			return err
		}
	}
	return nil
}

// enrolled returns the certificates that the CSRs have already, nil where none has.
func (e *Enroller) enrolled(ctx context.Context, a *application) (certs []ca.Certificate, err error) {
	for _, s := range a.csrs {
		cert, err := e.store.Enrolled(ctx, a.id.Account.Name, s.digest)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, fmt.Errorf("looking a CSR up: %w", err)
		default:
			certs = append(certs, cert)
		}
	}
	if len(certs) > 0 && len(certs) < len(a.csrs) {
		return nil, refusedByStore(ErrMixed)
	}
	return certs, nil
}

// checkSet finds the profile of each CSR, and refuses what isn't one profile, or a profile
// with its companions.
func (e *Enroller) checkSet(a *application) (err error) {
	first := a.csrs[0]
	if first.profile, a.main, err = e.profileFor(a.policy, a.id, first.name, len(a.csrs) > 1); err != nil {
		return err
	}
	a.missing = slices.Clone(a.main.With)
	a.found(first.profile.Name())
	for _, s := range a.csrs[1:] {
		if !a.found(s.name) {
			return a.unknown(s.name)
		}
		s.profile = a.policy.profiles[s.name]
	}
	if first.profile == a.main && !a.renewsMain() {
		return a.incomplete()
	}
	return nil
}

// found crosses a companion out; ok is false where it is none, or was crossed out before.
func (a *application) found(name string) (ok bool) {
	i := slices.Index(a.missing, name)
	if i < 0 {
		return false
	}
	a.missing = slices.Delete(a.missing, i, i+1)
	return true
}

func (a *application) unknown(name string) error {
	switch {
	case name == "":
		return refuse("set.unknown", "each CSR in \"with\" is to name its profile")
	case name == a.main.Name() && a.csrs[0].profile != a.main:
		return refusef("set.unknown", "the profile %q is the one that the others are enrolled with: its CSR comes first, and theirs in \"with\"", name)
	case slices.Contains(a.main.With, name):
		return refusef("set.unknown", "the profile %q is there twice", name)
	}
	return refusef("set.unknown", "the profile %.64q is none of those that are enrolled with %q", name, a.main.Name())
}

// incomplete refuses a main certificate without all its companions.
func (a *application) incomplete() error {
	if len(a.missing) == 0 {
		return nil
	}
	return refusef("set.incomplete", "%q is enrolled together with %s: a CSR is missing for %s",
		a.main.Name(), strings.Join(a.main.With, ", "), strings.Join(a.missing, ", "))
}

// renewsMain reports whether it renews a certificate of the main profile.
func (a *application) renewsMain() bool {
	c := a.id.renewed()
	return c != nil && c.Profile == a.main.Name()
}

// checkTogether refuses several CSRs that share a key or have different nonces.
func (a *application) checkTogether() error {
	for i, s := range a.csrs {
		for _, other := range a.csrs[:i] {
			if other.keyID == s.keyID {
				return refusef("set.key", "the CSRs for %s and %s are for one key", other.profile.Name(), s.profile.Name())
			}
		}
		if !bytes.Equal(s.nonce, a.csrs[0].nonce) {
			return refusef("set.nonce", "the CSRs for %s and %s have different nonces", a.csrs[0].profile.Name(), s.profile.Name())
		}
	}
	return nil
}

// checkOneCard wants the keys of a set on one card. What is had by showing a certificate of
// the main profile must be on the card of that: companions alone, or the main profile with
// some of them.
func (a *application) checkOneCard() error {
	first := a.csrs[0]
	for _, s := range a.csrs[1:] {
		if !sameCard(first.card, s.card) {
			return refusef("set.card", "the keys for %s and %s are on different cards", first.profile.Name(), s.profile.Name())
		}
	}
	shown := a.id.renewed()
	switch {
	case first.profile != a.main && !sameCard(first.card, shown.Card):
		return refusef("set.card", "the key for %s is on another card than that of the certificate shown", first.profile.Name())
	case first.profile == a.main && len(a.missing) > 0 && !sameCard(first.card, shown.Card):
		return a.incomplete()
	}
	return nil
}

// sameCard compares the cards' own certificates where they don't tell their serial numbers.
func sameCard(a, b *ca.Card) bool {
	switch {
	case a == nil || b == nil || a.Serial != b.Serial:
		return false
	case a.Serial != 0:
		return true
	}
	return len(a.Attestation) == 2 && len(b.Attestation) == 2 && bytes.Equal(a.Attestation[1], b.Attestation[1])
}

// allowedUntil is when the certificates must end because id has the main profile for a
// while only; zero where it has it anyway.
func (a *application) allowedUntil() time.Time {
	if of := &a.id.Account; !of.May(a.main.Name()) {
		return of.Until(a.main.Name(), a.at)
	}
	return time.Time{}
}
