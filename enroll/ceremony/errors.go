package ceremony

import (
	"errors"
	"fmt"
	"strings"

	"signet/internal/dn"
	"signet/piv"
)

// ErrLastTry is a PIN of which only one try is left: it is not spent.
var ErrLastTry = errors.New("only one PIN try is left, and it is not spent here")

// ErrLastPUKTry is the same of a PUK, where it isn't needed to go on.
var ErrLastPUKTry = errors.New("only one PUK try is left, and it is not spent here")

// ErrNoCertificate is a slot without a certificate to renew.
var ErrNoCertificate = errors.New("there is no certificate to renew in the slot")

// ErrNotRenewable is an enrollment that was begun and can only be ended as one: the
// slot has a new key, and no certificate to be known by.
var ErrNotRenewable = errors.New("the slot holds a key that is not enrolled yet")

// ErrNoSignIn is a certificate that the CA can't know its holder by, with no other to do that.
var ErrNoSignIn = errors.New("its certificate is good for no sign-in, and there is none on the card that it goes with")

// ErrComplete is a card that has every key of its profile's set.
var ErrComplete = errors.New("the card has every key that the profile wants")

// An OccupiedError is slots that are in use, and kept.
type OccupiedError struct {
	Card  piv.Info
	InUse []Occupied
	Free  []Missing // the keys of the same set whose slots hold nothing
	Main  bool      // whether the first in use is that of the set's first key
	Left  []Missing // for [Complete]: why each was left, in the order of InUse
}

func (e *OccupiedError) Error() string {
	if o := e.InUse[0]; len(e.InUse) == 1 {
		return fmt.Sprintf("slot %s of card %d holds %s", o.Slot, e.Card.Serial, o.contents(" already"))
	}
	var all []string
	for _, o := range e.InUse {
		all = append(all, fmt.Sprintf("slot %s holds %s", o.Slot, o.contents("")))
	}
	return fmt.Sprintf("card %d is in use already: %s", e.Card.Serial, strings.Join(all, "; "))
}

// contents is "a certificate: CN=Alice, until 2027-11-22"; already comes after its noun.
func (o Occupied) contents(already string) string {
	if o.Certificate == nil {
		return "a key" + already
	}
	return fmt.Sprintf("a certificate%s: %s, until %s", already, dn.String(o.Certificate.RawSubject), o.Certificate.NotAfter.Format("2006-01-02"))
}

// A PendingError is another enrollment that was begun on the card, and is to be
// ended first.
type PendingError struct{ Reason string }

func (e *PendingError) Error() string { return e.Reason }

// A SecretError is a new PIN or PUK that is not good enough, or one that can't
// be any card's.
type SecretError struct {
	What   string // "new PIN", "PIN", "PUK"
	Reason string
}

func (e *SecretError) Error() string { return "the " + e.What + " " + e.Reason }

// A PlanError is a card that can't hold the key that the CA wants.
type PlanError struct {
	Rule   string // of the CA's rules, as [enroll.Rules] names it; "" where it is none of them
	Reason string
	Hint   string // may be ""
}

func (e *PlanError) Error() string {
	if e.Rule == "" {
		return e.Reason
	}
	return e.Rule + ": " + e.Reason
}

// RuleName is the rule's name, for programs.
func (e *PlanError) RuleName() string { return e.Rule }

func (e *PlanError) Unwrap() error { return piv.ErrUnsupported }

// held is what the CA would refuse since a certificate is on hold.
func held(reason string) error {
	return &PlanError{Rule: "certificate.held", Reason: reason, Hint: "Ask an officer to release the certificate."}
}

// An AlgorithmError is a kind of key that was asked for and that the profile
// doesn't have.
type AlgorithmError struct {
	Profile string
	Asked   piv.Algorithm
	Allowed []piv.Algorithm
}

func (e *AlgorithmError) Error() string {
	var allowed []string
	for _, a := range e.Allowed {
		allowed = append(allowed, string(a))
	}
	return fmt.Sprintf("profile %s has no %s keys, only %s", e.Profile, e.Asked, strings.Join(allowed, ", "))
}

func (e *AlgorithmError) Unwrap() error { return piv.ErrUnsupported }

// A MismatchError is a certificate from the CA, or from the card, that isn't
// the one asked for.
type MismatchError struct{ Reason string }

func (e *MismatchError) Error() string { return e.Reason }
