package enroll

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// A fate is a [Holding] on its way to a [Decision].
type fate struct {
	Holding
	decision Decision
	fall     Fall
	at       time.Time
	by       string
}

// step has decide look at what hangs on of, and does what it decides: in one step of the
// store's, or, where dry, not at all.
func (s *Holdings) step(ctx context.Context, of Holder, by string, dry bool, decide func(*fate) error) (Fall, error) {
	of.Issuer, of.At = s.c.Issuer, s.c.Now().UTC()
	var f *fate
	run := func(h Holding) (Decision, error) {
		f = &fate{Holding: h, at: s.c.Now().UTC(), by: by}
		if h.Account != nil {
			f.fall.Account = h.Account.Name
		}
		err := decide(f)
		return f.decision, err
	}
	var err error
	if dry {
		var h Holding
		if h, err = s.c.Store.Holding(ctx, of); err == nil {
			_, err = run(h)
		}
	} else {
		err = s.c.Store.ChangeHolding(ctx, of, run)
	}
	if err != nil {
		return Fall{}, fmt.Errorf("%s: %w", of, err)
	}
	if !dry {
		s.tell(ctx, f)
	}
	return f.fall, nil
}

// String says what it is about.
func (h Holder) String() string {
	switch {
	case h.Card == 0:
		return fmt.Sprintf("account %q", h.Account)
	case h.Account != "":
		return fmt.Sprintf("card %d and account %q", h.Card, h.Account)
	}
	return fmt.Sprintf("card %d", h.Card)
}

// tell has the log and whoever answers for certificates hear of what is on disk.
func (s *Holdings) tell(ctx context.Context, f *fate) {
	for _, e := range f.decision.Events {
		audit.Log(ctx, s.c.Logger, "end", e)
	}
	changed := slices.Clone(f.decision.Release)
	for _, r := range f.decision.Revoke {
		changed = append(changed, r.Serial)
	}
	s.c.Changed(changed)
}

// known is the card that it is about.
func (f *fate) known() (Card, error) {
	if f.Cards[0].State == "" {
		return Card{}, ErrNotFound
	}
	return f.Cards[0], nil
}

// take revokes c, or puts it on hold.
func (f *fate) take(c ca.Certificate, reason ca.Reason) {
	// RFC 5280, Section 5.3.1 and RFC 6960, Section 4.2.1 carry whole seconds.
	what := ca.Revocation{At: f.at.Truncate(time.Second), Reason: reason, By: f.by}
	f.decision.Revoke = append(f.decision.Revoke, Revoke{c.Serial, what})
	c.Revocation = &what
	action, list := "certificate.revoke", &f.fall.Revoked
	if reason == ca.CertificateHold {
		action, list = "certificate.hold", &f.fall.Held
	}
	*list = append(*list, c)
	f.logCertificate(action, c, map[string]string{"reason": reason.String()})
}

func (f *fate) release(c ca.Certificate) {
	f.decision.Release = append(f.decision.Release, c.Serial)
	c.Revocation = nil
	f.fall.Released = append(f.fall.Released, c)
	f.logCertificate("certificate.release", c, map[string]string{})
}

// allow lets the card's owner have certificates of the profile for so long.
func (f *fate) allow(profile string, how time.Duration, detail map[string]string) error {
	card := f.Cards[0].Serial
	switch {
	case f.Account == nil:
		return input(fmt.Errorf("the card %d is nobody's: there is no one to have a temporary certificate", card))
	case f.Account.Disabled:
		return refuse("account.disabled", "the account "+f.Account.Name+" is disabled")
	}
	given := Allowance{Profile: profile, Until: f.at.Add(how).Truncate(time.Second), Card: card}
	a := *f.Account
	a.Temporary = slices.DeleteFunc(slices.Clone(a.Temporary), func(t Allowance) bool { return t.Card == card || !f.at.Before(t.Until) })
	a.Temporary = append(a.Temporary, given)
	f.decision.Account, f.fall.Given = &a, &given
	detail["profile"], detail["until"] = profile, given.Until.Format(time.RFC3339)
	return nil
}

// disallow ends those allowances, and returns the profiles that the account may have no
// certificates of any more.
func (f *fate) disallow(which func(Allowance) bool) (profiles []string) {
	if f.Account == nil || len(f.Account.Temporary) == 0 {
		return nil
	}
	a := *f.Account
	a.Temporary = nil
	for _, t := range f.Account.Temporary {
		switch {
		case which(t):
			if f.at.Before(t.Until) {
				f.fall.Ended = append(f.fall.Ended, t)
			}
		case f.at.Before(t.Until):
			a.Temporary = append(a.Temporary, t)
		}
	}
	f.decision.Account = &a
	for _, t := range f.fall.Ended {
		if !a.mayAt(t.Profile, f.at) {
			profiles = append(profiles, t.Profile)
		}
	}
	return profiles
}

func (f *fate) note(c *Card, note string) {
	if note != "" && note != c.Note {
		c.Note, f.fall.Again = note, false
	}
}

// move changes the card's state and owner.
func (f *fate) move(c *Card, to CardState, account string) {
	if c.State != to || c.Account != account {
		c.State, c.Account, c.Changed = to, account, f.at.Truncate(time.Second)
	}
}

// store stores the card that it is about, unless nothing has changed.
func (f *fate) store(c Card, action string, detail map[string]string) {
	f.fall.Card = &c
	f.fall.Again = f.fall.Again && f.decision.unchanged()
	if f.fall.Again {
		return
	}
	f.decision.Cards = append(f.decision.Cards, c)
	e := cardEvent(action, c, f.at, f.by)
	maps.Copy(e.Detail, detail)
	f.decision.Events = append(f.decision.Events, e)
}

func (d *Decision) unchanged() bool {
	return d.Account == nil && d.Remove == "" && len(d.Cards)+len(d.Forget)+len(d.Revoke)+len(d.Release)+len(d.Codes) == 0
}

func cardEvent(action string, c Card, at time.Time, by string) audit.Event {
	detail := map[string]string{"state": string(c.State)}
	if c.Account != "" {
		detail["account"] = c.Account
	}
	if c.Note != "" {
		detail["note"] = c.Note
	}
	return audit.Event{Time: at, Actor: by, Action: action, Object: strconv.FormatUint(uint64(c.Serial), 10), Detail: detail}
}

// logCertificate is in the form of package revocation's events.
func (f *fate) logCertificate(action string, c ca.Certificate, detail map[string]string) {
	detail["issuer"], detail["account"], detail["subject"] = c.Issuer, c.Account, c.Subject
	if c.Card != nil {
		detail["card"] = strconv.FormatUint(uint64(c.Card.Serial), 10)
	}
	f.decision.Events = append(f.decision.Events, audit.Event{Time: f.at, Actor: f.by, Action: action, Object: c.Serial.String(), Detail: detail})
}
