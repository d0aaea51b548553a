package enroll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"signet/ca"
	"signet/internal/audit"
)

// HoldingsConfig is what [NewHoldings] is made of.
type HoldingsConfig struct {
	Store  Store
	Issuer string // the ID of the issuer whose certificates change
	// Temporary is the profile of temporary certificates; "" where there are none.
	Temporary string
	// With are that profile's companions.
	With []string
	// Changed hears of the certificates that were revoked, held or released.
	Changed func([]ca.Serial)
	Logger  *slog.Logger     // nil: no log
	Now     func() time.Time // nil means time.Now
}

// Holdings are cards, accounts and what hangs on them: it says what falls when a card is
// lost or retired or somebody leaves, and has it fall in one step. by is always
// the actor who wanted it so. With dry nothing is changed: what is returned would
// be changed. It is safe for concurrent use.
type Holdings struct{ c HoldingsConfig }

// NewHoldings makes the service.
func NewHoldings(c HoldingsConfig) *Holdings {
	c.Now = orNow(c.Now)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Changed == nil {
		c.Changed = func([]ca.Serial) {}
	}
	return &Holdings{c}
}

// A Fall is what a step has changed, or would change.
type Fall struct {
	// Again tells that all was so already.
	Again   bool
	Card    *Card  // as it is now, where it is about one
	Account string // whose it is or was, or who it is about

	// Certificates as they are now. Kept were on hold for another reason, and stay so.
	Held, Released, Revoked, Kept []ca.Certificate

	Codes []Code // deleted
	Cards []Card // nobody's now
	// Given is the allowance given; Ended are those that are none any more.
	Given *Allowance
	Ended []Allowance
}

// maxTemporary bounds an allowance: who has no card of their own after that needs one.
const maxTemporary = 90 * 24 * time.Hour

// A Loss says more of a lost card.
type Loss struct {
	// Temporary is for how long its owner may have temporary certificates; 0 for not.
	Temporary time.Duration
	Note      string // "" leaves the card's note as it is
}

// Lose puts all certificates on the card on hold that stand, and has nobody enroll with it.
// Of one that is lost already, those that stand again are held. It fails with
// [ErrNotFound] where the card is not known, [ErrCardRetired], [ErrTooMany].
func (s *Holdings) Lose(ctx context.Context, serial uint32, loss Loss, by string, dry bool) (Fall, error) {
	if err := s.checkLoss(loss); err != nil {
		return Fall{}, err
	}
	return s.step(ctx, Holder{Card: serial}, by, dry, func(f *fate) error {
		card, err := f.known()
		if err != nil {
			return err
		}
		if card.State == CardRetired {
			return ErrCardRetired
		}
		f.fall.Again = card.State == CardLost
		for _, c := range f.Certificates {
			switch {
			case card.holds(&c): // by this loss, said before
				continue
			case c.Revocation != nil:
				f.fall.Kept = append(f.fall.Kept, c)
				continue
			}
			f.take(c, ca.CertificateHold)
			card.Held = append(card.Held, Held{c.Serial, f.at.Truncate(time.Second)})
		}
		detail := map[string]string{}
		if loss.Temporary > 0 {
			if err := f.allow(s.c.Temporary, loss.Temporary, detail); err != nil {
				return err
			}
		}
		f.note(&card, loss.Note)
		f.move(&card, CardLost, card.Account)
		f.store(card, "card.lost", detail)
		return nil
	})
}

func (s *Holdings) checkLoss(loss Loss) error {
	switch {
	case loss.Temporary < 0 || loss.Temporary > maxTemporary:
		return input(fmt.Errorf("a temporary certificate may be had for at most %d days", maxTemporary/(24*time.Hour)))
	case loss.Temporary > 0 && s.c.Temporary == "":
		return input(errors.New("this CA has no profile for temporary certificates: see [cards] in signetd.toml"))
	}
	return checkNote(loss.Note)
}

// Find releases what [Holdings.Lose] held, and revokes its owner's temporary certificates,
// as superseded, unless another card of theirs is lost. [ErrCardNotLost] where it isn't.
func (s *Holdings) Find(ctx context.Context, serial uint32, note, by string, dry bool) (Fall, error) {
	if err := checkNote(note); err != nil {
		return Fall{}, err
	}
	return s.step(ctx, Holder{Card: serial, Temporary: true, With: s.c.With}, by, dry, func(f *fate) error {
		card, err := f.known()
		if err != nil {
			return err
		}
		if card.State != CardLost {
			return fmt.Errorf("%w: its state is %s", ErrCardNotLost, card.State)
		}
		ended := f.disallow(func(a Allowance) bool { return a.Card == serial })
		for _, c := range f.Certificates {
			switch {
			case slices.Contains(ended, c.Profile) && c.Account == f.fall.Account,
				slices.Contains(ended, s.c.Temporary) && s.cameWithTemporary(f, card, c):
				f.take(c, ca.Superseded)
			case c.Card == nil || c.Card.Serial != serial: // another card's, needed for another that is lost
			case card.holds(&c):
				f.release(c)
			case c.Revocation != nil:
				f.fall.Kept = append(f.fall.Kept, c)
			}
		}
		f.note(&card, note)
		card.Held = nil
		to := CardAssigned
		if card.Account == "" {
			to = CardInventory
		}
		f.move(&card, to, card.Account)
		f.store(card, "card.found", nil)
		return nil
	})
}

// cameWithTemporary reports whether c, on another card than the lost one, was had as a companion of the
// temporary profile: it ends when that allowance does or before, and was issued since the loss,
// or after a temporary certificate on its card. Others of the same profile are the owner's anyway.
func (s *Holdings) cameWithTemporary(f *fate, lost Card, c ca.Certificate) bool {
	if !slices.Contains(s.c.With, c.Profile) || c.Account != f.fall.Account || c.Card == nil || c.Card.Serial == lost.Serial {
		return false
	}
	within := slices.ContainsFunc(f.fall.Ended, func(a Allowance) bool { return a.Profile == s.c.Temporary && !c.NotAfter.After(a.Until) })
	with := slices.ContainsFunc(f.Certificates, func(m ca.Certificate) bool {
		return m.Profile == s.c.Temporary && m.Account == c.Account && sameCard(m.Card, c.Card) && !c.IssuedAt.Before(m.IssuedAt)
	})
	return within && (with || !c.IssuedAt.Before(lost.Changed))
}

// Retire takes the card out of service for good, and revokes what is on it with reason.
// [ErrNotFound] where it is not known; [ErrReasonStays] where it is retired already and
// certificates on it were revoked with another reason than keyCompromise, which is asked for now.
func (s *Holdings) Retire(ctx context.Context, serial uint32, reason ca.Reason, note, by string, dry bool) (Fall, error) {
	if err := errors.Join(checkReason(reason), checkNote(note)); err != nil {
		return Fall{}, err
	}
	if reason == ca.KeyCompromise {
		if err := s.checkStays(ctx, serial); err != nil {
			return Fall{}, err
		}
	}
	return s.step(ctx, Holder{Card: serial}, by, dry, func(f *fate) error {
		card, err := f.known()
		if err != nil {
			return err
		}
		f.fall.Again = card.State == CardRetired
		for _, c := range f.Certificates {
			f.take(c, reason)
		}
		f.note(&card, note)
		card.Held = nil
		f.move(&card, CardRetired, card.Account)
		f.store(card, "card.retire", map[string]string{"reason": reason.String()})
		return nil
	})
}

// ErrReasonStays is a reason that comes too late: a revoked certificate keeps its first one.
var ErrReasonStays = errors.New("certificates that are revoked keep their first reason")

// checkStays fails where the card is retired, nothing on it is left to be revoked, and something
// was revoked with another reason than keyCompromise.
func (s *Holdings) checkStays(ctx context.Context, serial uint32) error {
	now := s.c.Now()
	h, err := s.c.Store.Holding(ctx, Holder{Issuer: s.c.Issuer, Card: serial, At: now})
	if err != nil || h.Cards[0].State != CardRetired || len(h.Certificates) > 0 {
		return nil // the step itself tells of it
	}
	n, reason := 0, ca.Reason(0)
	for _, account := range h.Cards[0].Holders {
		certs, err := s.c.Store.CertificatesOf(ctx, account, MaxHolding)
		if err != nil {
			return fmt.Errorf("card %d: %w", serial, err)
		}
		for _, c := range certs {
			if c.Card != nil && c.Card.Serial == serial && c.NotAfter.After(now) && c.Revoked() && c.Revocation.Reason != ca.KeyCompromise {
				n, reason = n+1, c.Revocation.Reason
			}
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("card %d is retired, with %d revoked as %s: %w", serial, n, reason, ErrReasonStays)
}

// Assign makes the card the account's, or nobody's where account is "". It need not have been
// seen before. It fails with [ErrNotFound] where the account isn't there, [ErrCardLost],
// [ErrCardRetired], and [ErrCardInUse] where somebody else's certificates on it are in force.
func (s *Holdings) Assign(ctx context.Context, serial uint32, account, note, by string, dry bool) (Fall, error) {
	if err := checkNote(note); err != nil {
		return Fall{}, err
	}
	if serial == 0 {
		return Fall{}, input(errors.New("0 is no card's serial number"))
	}
	return s.step(ctx, Holder{Card: serial, Account: account}, by, dry, func(f *fate) error {
		card := f.Cards[0]
		switch {
		case card.State == CardLost:
			return ErrCardLost
		case card.State == CardRetired:
			return ErrCardRetired
		case account != "" && f.Account.Disabled:
			return refuse("account.disabled", "the account "+account+" is disabled")
		}
		for _, c := range f.Certificates {
			if c.Account != account {
				return fmt.Errorf("%w: %s of %s", ErrCardInUse, c.Serial, c.Account)
			}
		}
		to := CardAssigned
		if account == "" {
			to = CardInventory
		}
		f.fall.Again = card.State == to && card.Account == account
		f.fall.Account = account
		detail := map[string]string{}
		if card.Account != "" {
			detail["before"] = card.Account
		}
		f.note(&card, note)
		f.move(&card, to, account)
		f.store(card, "card.assign", detail)
		return nil
	})
}

// Forget deletes a card from the inventory of which nothing is known but that it was imported: by
// mistake, it seems. [ErrNotFound] where it is not known, [ErrCardKnown] where anybody ever enrolled
// with it, or it is anybody's, lost or retired.
func (s *Holdings) Forget(ctx context.Context, serial uint32, by string) (Fall, error) {
	return s.step(ctx, Holder{Card: serial}, by, false, func(f *fate) error {
		card, err := f.known()
		if err != nil {
			return err
		}
		if card.State != CardInventory || card.Account != "" || !card.FirstSeen.IsZero() || len(card.Holders) > 0 || len(f.Certificates) > 0 {
			return fmt.Errorf("%w: its state is %s", ErrCardKnown, card.State)
		}
		f.fall.Card, f.decision.Forget = &card, []uint32{serial}
		f.decision.Events = append(f.decision.Events, cardEvent("card.forget", card, f.at, f.by))
		return nil
	})
}

// Import adds to the inventory those of the cards that are not known, and returns how many.
func (s *Holdings) Import(ctx context.Context, cards []Card, by string) (added int, err error) {
	now := s.c.Now().UTC()
	cards = slices.Clone(cards)
	for i := range cards {
		c := &cards[i]
		if c.Serial == 0 {
			return 0, input(errors.New("0 is no card's serial number"))
		}
		if err := checkNote(c.Note); err != nil {
			return 0, err
		}
		c.State, c.Account, c.Changed, c.Held, c.Holders = CardInventory, "", now.Truncate(time.Second), nil, nil
	}
	var events []audit.Event // in the order of cards; the store may ask for one more than once
	added, err = s.c.Store.AddCards(ctx, cards, func(c Card) audit.Event {
		e := cardEvent("card.import", c, now, by)
		if !slices.ContainsFunc(events, func(o audit.Event) bool { return o.Object == e.Object }) {
			events = append(events, e)
		}
		return e
	})
	for _, e := range events[:min(added, len(events))] {
		audit.Log(ctx, s.c.Logger, "end", e)
	}
	if err != nil {
		return added, fmt.Errorf("adding cards: %w", err)
	}
	return added, nil
}

// checkNote keeps notes short, and in one line.
func checkNote(s string) error {
	if len(s) > 500 || !utf8.ValidString(s) || slices.ContainsFunc([]rune(s), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return input(errors.New("a note has at most 500 octets, of printable characters and spaces"))
	}
	return nil
}

// checkReason refuses what is no reason to revoke for good.
func checkReason(r ca.Reason) error {
	if r == ca.CertificateHold || r == ca.RemoveFromCRL || r == ca.AACompromise {
		return input(fmt.Errorf("%s is no reason to revoke a certificate for good with", r))
	}
	return nil
}
