package ceremony

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"signet/ca"
	"signet/enroll"
	"signet/internal/problem"
	"signet/piv"
)

// Supersede has the CA revoke what earlier runs have left: certificates for keys of this card
// that others have replaced. The CA knows the holder by the certificate in force. It returns
// those that are revoked, and those that are still left.
func Supersede(ctx context.Context, cfg Config) (done, left []ca.Serial, err error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, nil, err
	}
	by, cert, err := r.speaker(ctx)
	if err != nil {
		return nil, nil, err
	}
	tries, err := r.Card.PINTries(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := r.verify(ctx, tries); err != nil {
		return nil, nil, err
	}
	if err := r.connect(ctx, by, cert); err != nil {
		return nil, nil, err
	}
	r.catchUp(ctx, r.ca.(Renewer))
	return r.superseded, r.left, nil
}

// ending is what is to be revoked once these are on the card; nil for nothing.
func (r *run) ending(all []Installed) *superseding {
	if r.KeepOld || r.Holder == nil && r.Own == nil {
		return nil
	}
	s := &superseding{CA: r.CA, Card: r.Card.Info().Serial, Slot: r.mainOf(all)}
	if r.entry.Replaces != nil {
		s.Replaced = [][]byte{r.entry.Replaces}
	}
	for i, k := range r.entry.Keys {
		if k.stays() {
			continue
		}
		if r.entry.Replaces == nil {
			s.Made, s.New = append(s.Made, Missing{Profile: k.Profile, Slot: k.home()}), append(s.New, k.Public)
		}
		switch {
		case k.Into != 0 || k.Before == nil || contains(s.Replaced, k.Before):
		case k.Keep != 0:
			s.Replaced = append(s.Replaced, k.Before)
		default:
			s.Destroyed = append(s.Destroyed, k.Before)
		}
		if old, err := x509.ParseCertificate(k.Old); err == nil && bytes.Equal(old.RawIssuer, all[i].Certificate.RawIssuer) {
			if serial, ok := ca.SerialOf(old.SerialNumber); ok {
				s.Serials = append(s.Serials, serial)
			}
		}
	}
	if !s.keys() && s.Made == nil {
		return nil
	}
	return s
}

// mainOf is the slot of the certificate that these go with, or are.
func (r *run) mainOf(all []Installed) piv.Slot {
	if r.entry.By != 0 {
		return r.entry.By
	}
	return all[0].Slot
}

// note puts what is to be revoked on disk.
func (r *run) note(s *superseding) error {
	if s == nil || r.dry {
		return nil
	}
	all, err := r.Journal.superseding(s.Card)
	if err != nil {
		return err
	}
	return r.Journal.saveSuperseding(s.Card, append(all, *s))
}

// supersede has the CA revoke what this run has replaced, and what earlier ones have left. That
// is of use whatever comes of it, so that a failure is told, and is none of the run's: the
// next one goes on with it.
func (r *run) supersede(ctx context.Context, main Installed, by piv.Slot) {
	all, err := r.Journal.superseding(r.Card.Info().Serial)
	if err == nil && len(all) == 0 {
		return
	}
	holder, err := r.asHolder(ctx, main, by)
	if err == nil {
		r.catchUp(ctx, holder)
		return
	}
	r.tellLeft(err)
	all = slices.DeleteFunc(all, func(s superseding) bool { return s.CA == r.CA && !s.keys() })
	_ = r.Journal.saveSuperseding(r.Card.Info().Serial, all) // what may be nothing is dropped, if that can be
}

// asHolder is the CA as the account, where a password says so, or as the holder of the
// new certificate.
func (r *run) asHolder(ctx context.Context, main Installed, by piv.Slot) (Renewer, error) {
	if r.Own != nil {
		return r.Own, nil
	}
	cert := main.Certificate
	if by != main.Slot {
		var err error
		if cert, err = r.matching(ctx, by); err != nil {
			return nil, err
		}
	}
	if !SignsIn(cert) {
		return nil, ErrNoSignIn
	}
	if err := r.connect(ctx, by, cert); err != nil {
		return nil, err
	}
	return r.ca.(Renewer), nil
}

// catchUp goes through what is left for this card and CA.
func (r *run) catchUp(ctx context.Context, holder Renewer) {
	card := r.Card.Info().Serial
	all, err := r.Journal.superseding(card)
	mine := func(s superseding) bool { return s.CA == r.CA }
	if err != nil || r.dry || !slices.ContainsFunc(all, mine) {
		return
	}
	own, err := holder.Certificates(ctx)
	if err != nil {
		r.tellLeft(err)
		return
	}
	for i := range all {
		if !mine(all[i]) {
			continue
		}
		if err = r.resolve(ctx, &all[i], own); err != nil {
			break
		}
	}
	if err = errors.Join(err, r.Journal.saveSuperseding(card, all)); err == nil {
		all, err = r.revokeLeft(ctx, holder, all)
		err = errors.Join(err, r.Journal.saveSuperseding(card, all))
	}
	if err != nil {
		r.tellLeft(err)
	}
}

// revokeLeft has those revoked that are known by their numbers, and returns what is left.
func (r *run) revokeLeft(ctx context.Context, holder Renewer, all []superseding) (rest []superseding, err error) {
	said := false
	for _, s := range all {
		for s.CA == r.CA && len(s.Serials) > 0 && err == nil {
			if !said {
				r.UI.Step(StepReplaced)
				said = true
			}
			revokeErr := holder.Revoke(ctx, s.Serials[0], ca.Superseded)
			var p *problem.Problem
			switch {
			case revokeErr == nil:
				r.superseded = append(r.superseded, s.Serials[0])
			case errors.As(revokeErr, &p) && p.Type == problem.URN("already-revoked"):
			default:
				err = fmt.Errorf("certificate %s: %w", s.Serials[0], revokeErr)
				continue
			}
			s.Serials = slices.Clone(s.Serials[1:])
		}
		if s.CA != r.CA || len(s.Serials) > 0 {
			rest = append(rest, s)
		}
	}
	return rest, err
}

// resolve finds what is to be revoked among the account's own certificates: never what the card
// still has the key of, unless that was replaced and is kept, and nothing of another card.
func (r *run) resolve(ctx context.Context, s *superseding, own []enroll.Record) error {
	var serials []ca.Serial
	for _, c := range own {
		if c.Status != enroll.StatusGood || c.CardSerial != 0 && c.CardSerial != s.Card {
			continue
		}
		cert, err := c.X509()
		if err != nil {
			return fmt.Errorf("reading certificate %s: %w", c.Serial, err)
		}
		key := cert.RawSubjectPublicKeyInfo
		if contains(s.Replaced, key) {
			serials = append(serials, c.Serial)
			continue
		}
		was := contains(s.Destroyed, key)
		if !was && (c.CardSerial == 0 || s.Made == nil || contains(s.New, key)) {
			continue
		}
		there, err := r.onCard(ctx, key, c.Slot)
		if err != nil {
			return err
		}
		switch {
		case there:
		case was || s.made(&c):
			serials = append(serials, c.Serial)
		default:
			r.UI.Note(fmt.Sprintf("certificate %s, of profile %s in slot %s, is in force for a key that isn't on this card any more. "+
				"To have it revoked: signet revoke %s --reason superseded", c.Serial, c.Profile, c.Slot, c.Serial))
		}
	}
	s.Serials = serials
	return nil
}

// made reports whether a key was made for the certificate's profile or slot.
func (s *superseding) made(c *enroll.Record) bool {
	return slices.ContainsFunc(s.Made, func(m Missing) bool { return m.Profile == c.Profile || m.Slot.String() == c.Slot })
}

// onCard reports whether a slot of the card has that key: first the one where it should be.
func (r *run) onCard(ctx context.Context, key []byte, first string) (bool, error) {
	slots := piv.Slots()
	if s, err := piv.ParseSlot(first); err == nil {
		slots = append([]piv.Slot{s}, slots...)
	}
	for _, s := range slots {
		there, err := r.inSlot(ctx, s)
		if err != nil {
			return false, err
		}
		if bytes.Equal(there, key) {
			return true, nil
		}
	}
	return false, nil
}

// tellLeft says which certificates stay in force for keys that were replaced. Of what
// only the CA could tell, nothing is said: it may be nothing.
func (r *run) tellLeft(why error) {
	left, err := r.Journal.Left(r.Card.Info().Serial)
	if err != nil {
		why = errors.Join(why, err)
	}
	for _, l := range left {
		if l.CA != r.CA {
			continue
		}
		r.left = l.Serials
		which, commands := "the old certificate stays", ""
		if len(l.Serials) > 0 {
			var all []string
			for _, s := range l.Serials {
				all = append(all, s.String())
				commands += "; signet revoke " + s.String() + " --reason superseded"
			}
			which = "the old certificate " + all[0] + " stays"
			if len(all) > 1 {
				which = "the old certificates " + strings.Join(all, ", ") + " stay"
			}
			commands = ". By hand: " + strings.TrimPrefix(commands, "; ")
		}
		r.UI.Note(fmt.Sprintf("%s in force, for a key that is replaced: %v. The next run of signet enroll, renew or status goes on with having it revoked%s", which, why, commands))
	}
}
