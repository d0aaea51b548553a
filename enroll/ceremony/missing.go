package ceremony

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"signet/enroll"
	"signet/internal/problem"
	"signet/piv"
)

// A Missing is a key that a profile's set has, and a card hasn't, or without a certificate in
// force. State is what is in its slot.
type Missing struct {
	Profile string
	Slot    piv.Slot
	State   State `json:",omitempty"`

	signsIn bool // whether the CA would know the holder by what is there
}

func (m Missing) String() string { return fmt.Sprintf("%s in slot %s", m.Profile, m.Slot) }

// A State is what a slot holds where a key of a set should be.
type State string

// The states; "" for nothing.
const (
	Held     State = "held"     // the set's own, whose certificate is on hold
	Revoked  State = "revoked"  // the set's own, whose certificate was revoked
	OldKey   State = "old key"  // a key that was replaced, and is kept to read what was encrypted to it
	Stranger State = "stranger" // something else
)

// sound is the set's own, with a certificate of the CA's that was not taken back.
const sound State = "sound"

// missingOf looks for the member's key.
func (r *run) missingOf(ctx context.Context, m member) (Missing, error) {
	out := Missing{Profile: m.profile, Slot: m.plan.Slot, State: Stranger}
	found, err := r.look(ctx, m.plan.Slot)
	if err != nil {
		return out, err
	}
	there, err := r.inSlot(ctx, m.plan.Slot)
	if err != nil {
		return out, err
	}
	left := false
	if there == nil && found.Certificate != nil {
		if left, err = r.keptElsewhere(ctx, found.Certificate); err != nil {
			return out, err
		}
	}
	if left || found.Certificate == nil && !found.unreadable && (there == nil || r.useless(there)) {
		out.State = ""
		return out, nil
	}
	cert, err := r.matching(ctx, m.plan.Slot)
	if err != nil {
		if gone(err) {
			return out, err
		}
		return out, nil
	}
	record, err := r.record(ctx, cert)
	var p *problem.Problem
	switch {
	case errors.As(err, &p) && p.Status == http.StatusNotFound, errors.As(err, new(*MismatchError)):
		return out, nil
	case err != nil:
		return out, fmt.Errorf("asking about the certificate in slot %s: %w", m.plan.Slot, err)
	}
	out.State, out.signsIn = stateOf(m, record, cert), SignsIn(cert)
	return out, nil
}

// stateOf is that of a certificate of this CA's.
func stateOf(m member, record *enroll.Record, cert *x509.Certificate) State {
	own, retired := record.Profile == m.profile, slices.Contains(piv.RetiredSlots(), m.plan.Slot)
	switch record.Status {
	case enroll.StatusGood, enroll.StatusExpired:
		if own {
			return sound
		}
		if record.Status == enroll.StatusExpired && retired && Encrypts(m.plan.Slot, cert) {
			return OldKey
		}
	case enroll.StatusHeld:
		if own {
			return Held
		}
	case enroll.StatusRevoked:
		switch {
		case !own && retired && Encrypts(m.plan.Slot, cert):
			return OldKey
		case own:
			return Revoked
		}
	}
	return Stranger
}

// Remedy is what gets the card that key; "" where only an officer can.
func (m Missing) Remedy() string {
	switch {
	case m.State == Held:
		return ""
	case m.State == "" || m.State == OldKey:
		return "signet enroll --missing"
	case m.State == Revoked && !m.signsIn:
		return "signet renew --new-key --slot " + m.Slot.String()
	}
	return "signet enroll --missing --force"
}

// tellMissing says what is left out of a run, why, and what to do for it.
func (r *run) tellMissing(profile string, all []Missing) {
	var lacking []Missing
	for _, m := range all {
		switch m.State {
		case "":
			lacking = append(lacking, m)
		case Held:
			r.UI.Note(fmt.Sprintf("%s is left out: its certificate is on hold. Ask an officer to release it", m))
		case Revoked:
			r.UI.Note(fmt.Sprintf("%s is left out: its certificate was revoked. For another key and certificate: %s", m, m.Remedy()))
		case OldKey:
			r.UI.Note(fmt.Sprintf("%s is left out: the slot holds an old key, which reads what was encrypted to it. %s", m, r.passingOn(m)))
		default:
			r.UI.Note(fmt.Sprintf("%s is left out: the slot holds something else. To have that replaced, after a confirmation: %s", m, m.Remedy()))
		}
	}
	if len(lacking) > 0 {
		r.UI.Note("profile " + profile + " has come to have more keys than the card: " + listed(lacking) +
			". To have them made: signet enroll --missing")
	}
}

// passingOn is what can be done with an old key that is in the way.
func (r *run) passingOn(m Missing) string {
	if r.Card.Info().Firmware.Less(piv.FirstMoving) {
		return "The card can't move it. Where nothing is to be read with it any more: signet enroll --missing --force"
	}
	return "To have that moved to a free retired slot, and another made: " + m.Remedy()
}
