package enroll

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"signet/ca"
	"signet/internal/audit"
)

// issue signs and records. The audit lines are around both: a begin without an
// end is a certificate that never left.
func (e *Enroller) issue(ctx context.Context, a *application) (certs []ca.Certificate, fresh bool, err error) {
	all := make([]Issuance, len(a.csrs))
	for i, s := range a.csrs {
		if all[i].Certificate.Serial, err = e.serials.Next(ctx); err != nil {
			return nil, false, err
		}
		all[i].CSR, all[i].Event = s.digest, e.eventOf(a, s, all[i].Certificate.Serial, all[0].Certificate.Serial)
	}
	for i := range all {
		audit.Log(ctx, e.logger, "begin", all[i].Event)
	}
	certs, fresh, err = e.signAndRecord(ctx, a, all)
	for i := range all {
		event, stage := all[i].Event, "failed"
		switch {
		case err != nil:
			event.Detail["error"] = err.Error()
		case !fresh:
			event.Detail["error"] = "the CSR was recorded meanwhile, with certificate " + certs[i].Serial.String()
		default:
			stage = "end"
		}
		audit.Log(ctx, e.logger, stage, event)
	}
	return certs, fresh, err
}

// signAndRecord fills in all and has it recorded.
func (e *Enroller) signAndRecord(ctx context.Context, a *application, all []Issuance) ([]ca.Certificate, bool, error) {
	for i, s := range a.csrs {
		// Subject and names are the account's; of the CSR only the key is used.
		request := ca.Request{Person: a.id.Account.person(), CSR: s.csr, Serial: all[i].Certificate.Serial, Until: a.allowedUntil()}
		cert, err := e.issuer.Issue(ctx, s.profile.Profile, request, e.urls, a.at)
		if err != nil && len(all) > 1 {
			err = &memberError{s.profile.Name(), err}
		}
		if err != nil {
			return nil, false, err
		}
		cert.Account, cert.Card = a.id.Account.Name, s.card
		all[i].Certificate = *cert
	}
	certs, fresh, err := e.store.RecordEnrollment(ctx, a.enrollment(all))
	if err != nil {
		return nil, false, refusedByStore(err)
	}
	return certs, fresh, nil
}

func (a *application) enrollment(all []Issuance) Enrollment {
	first := a.csrs[0]
	out := Enrollment{Issuance: all[0], With: all[1:], Card: first.proved, Renews: a.id.renews()}
	if first.nonce != nil {
		out.Nonce, out.NonceExpires = sha256.Sum256(first.nonce), first.nonce.expires()
	}
	if a.id.code != nil {
		out.Code = &a.id.code.Hash
	}
	if name := a.main.Name(); !a.id.Account.May(name) {
		out.Allowance = name
	}
	return out
}

// refusedByStore is what the store says of an enrollment that another one overtook.
func refusedByStore(err error) error {
	switch {
	case errors.Is(err, ErrCodeSpent):
		return refuse("code.spent", "the code has been used")
	case errors.Is(err, ErrNonceSpent):
		return refuse("nonce.spent", "the nonce in the CSR has been used")
	case errors.Is(err, ErrKeyTaken):
		return refuse("key.taken", "the key belongs to another account")
	case errors.Is(err, ErrKeyBlocked):
		return refuse("key.blocked", "a certificate for this key was revoked because the key was compromised")
	case errors.Is(err, ErrRevoked):
		return refuse("certificate.revoked", "the certificate to be renewed was revoked")
	case errors.Is(err, ErrCardLost):
		return refuse("card.lost", "the card was reported lost")
	case errors.Is(err, ErrCardRetired):
		return refuse("card.retired", "the card is retired")
	case errors.Is(err, ErrCardAssigned):
		return refuse("card.assigned", "the card belongs to another account")
	case errors.Is(err, ErrMixed):
		return refuse("set.mixed", "some of these CSRs were certified before, and some were not")
	case errors.Is(err, ErrNotAllowed):
		return refuse("profile.denied", "the account's allowance for the profile has ended")
	case errors.Is(err, ErrNotFound):
		return ErrCredentials
	}
	return fmt.Errorf("recording the certificate: %w", err)
}

// eventOf is the event of s' certificate; that of the first CSR has the serial number main.
func (e *Enroller) eventOf(a *application, s *submitted, serial, main ca.Serial) audit.Event {
	event := e.event(a.id, "certificate.issue", serial.String())
	event.Detail = map[string]string{
		"profile":   s.profile.Name(),
		"method":    string(a.id.Method),
		"algorithm": ca.KeyAlgorithm(s.csr.PublicKey),
	}
	if s.card != nil {
		event.Detail["card"] = strconv.FormatUint(uint64(s.card.Serial), 10)
		event.Detail["slot"] = s.card.Slot
		event.Detail["firmware"] = s.card.Firmware
	}
	if a.id.code != nil {
		event.Detail["code_by"] = a.id.code.By
	}
	old := a.id.renews()
	switch {
	case serial != main: // enrolled together with that one
		event.Detail["with"] = main.String()
	case old != nil && s.profile != a.main: // a companion, by the main certificate
		event.Detail["with"] = old.String()
	case old != nil:
		event.Detail["renews"] = old.String()
	}
	return event
}
