package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/internal/problem"
)

// cardFilter is the input of card.list; zero fields let all through.
type cardFilter struct {
	Account string           `json:"account,omitempty"`
	State   enroll.CardState `json:"state,omitempty"`
}

// listCards answers with one card after the other.
func (o *operator) listCards(w http.ResponseWriter, r *http.Request) {
	var in cardFilter
	if err := readOperation(w, r, &in, maxOperation); err != nil {
		problem.Write(w, problemOf(err))
		return
	}
	streamJSON(w, func(send func(any) bool) error {
		return o.store.Cards(r.Context(), func(c enroll.Card) bool {
			if in.Account != "" && c.Account != in.Account || in.State != "" && c.State != in.State {
				return true
			}
			return send(c)
		})
	})
}

// cardStep is the input of operations on one card; each takes some of it.
type cardStep struct {
	Serial uint32 `json:"serial"`
	// Dry changes nothing: the answer is what would be changed.
	Dry     bool   `json:"dry,omitempty"`
	Note    string `json:"note,omitempty"`
	Account string `json:"account,omitempty"` // card.assign's; "" for the inventory
	Reason  string `json:"reason,omitempty"`  // card.retire's, as RFC 5280 spells it
	// TemporarySeconds is card.lost's.
	TemporarySeconds int64 `json:"temporary_seconds,omitempty"`
}

// A fallen is what a step on a card or an account has changed, or would change.
type fallen struct {
	// Again tells that all was so already.
	Again   bool         `json:"again,omitempty"`
	Card    *enroll.Card `json:"card,omitempty"`
	Account string       `json:"account,omitempty"`

	Held     []fallenCert `json:"held,omitempty"`
	Released []fallenCert `json:"released,omitempty"`
	Revoked  []fallenCert `json:"revoked,omitempty"`
	Kept     []fallenCert `json:"kept,omitempty"` // on hold for another reason

	Codes []fallenCode       `json:"codes,omitempty"`
	Cards []uint32           `json:"cards,omitempty"` // that are nobody's now
	Given *enroll.Allowance  `json:"given,omitempty"`
	Ended []enroll.Allowance `json:"ended,omitempty"`
	CRL   string             `json:"crl,omitempty"`
}

type fallenCert struct {
	Serial   ca.Serial `json:"serial"`
	Account  string    `json:"account"`
	Profile  string    `json:"profile"`
	Card     uint32    `json:"card,omitempty"`
	Slot     string    `json:"slot,omitempty"`
	NotAfter time.Time `json:"not_after"`
}

type fallenCode struct {
	Profile string    `json:"profile,omitempty"`
	Expires time.Time `json:"expires"`
	By      string    `json:"by"`
}

func fallenOf(f enroll.Fall) fallen {
	out := fallen{
		Again: f.Again, Card: f.Card, Account: f.Account, Given: f.Given, Ended: f.Ended,
		Held: fallenCerts(f.Held), Released: fallenCerts(f.Released), Revoked: fallenCerts(f.Revoked), Kept: fallenCerts(f.Kept),
	}
	for _, c := range f.Codes {
		out.Codes = append(out.Codes, fallenCode{c.Profile, c.Expires, c.By})
	}
	for _, c := range f.Cards {
		out.Cards = append(out.Cards, c.Serial)
	}
	return out
}

func fallenCerts(certs []ca.Certificate) (out []fallenCert) {
	for _, c := range certs {
		one := fallenCert{Serial: c.Serial, Account: c.Account, Profile: c.Profile, NotAfter: c.NotAfter}
		if c.Card != nil {
			one.Card, one.Slot = c.Card.Serial, c.Card.Slot
		}
		out = append(out, one)
	}
	return out
}

// certificates are all that change.
func (f *fallen) certificates() int { return len(f.Held) + len(f.Released) + len(f.Revoked) }

// fell answers with what a step did, once its CRL is out.
func (o *operator) fell(ctx context.Context, f enroll.Fall, err error, dry bool) (fallen, error) {
	if err != nil {
		return fallen{}, err
	}
	out := fallenOf(f)
	if !dry && (out.certificates() > 0 || out.Again) { // whoever repeats it may not have heard of the CRL
		out.CRL = o.awaitCRL(ctx)
	}
	return out, nil
}

func (o *operator) loseCard(ctx context.Context, in cardStep) (fallen, error) {
	loss := enroll.Loss{Temporary: time.Duration(in.TemporarySeconds) * time.Second, Note: in.Note}
	f, err := o.holdings.Lose(ctx, in.Serial, loss, actorOf(ctx), in.Dry)
	return o.fell(ctx, f, err, in.Dry)
}

func (o *operator) findCard(ctx context.Context, in cardStep) (fallen, error) {
	f, err := o.holdings.Find(ctx, in.Serial, in.Note, actorOf(ctx), in.Dry)
	return o.fell(ctx, f, err, in.Dry)
}

func (o *operator) retireCard(ctx context.Context, in cardStep) (fallen, error) {
	reason, err := ca.ParseReason(in.Reason)
	if err != nil {
		return fallen{}, &badInput{err}
	}
	f, err := o.holdings.Retire(ctx, in.Serial, reason, in.Note, actorOf(ctx), in.Dry)
	return o.fell(ctx, f, err, in.Dry)
}

func (o *operator) assignCard(ctx context.Context, in cardStep) (fallen, error) {
	f, err := o.holdings.Assign(ctx, in.Serial, in.Account, in.Note, actorOf(ctx), in.Dry)
	return o.fell(ctx, f, err, in.Dry)
}

func (o *operator) forgetCard(ctx context.Context, in cardStep) (fallen, error) {
	f, err := o.holdings.Forget(ctx, in.Serial, actorOf(ctx))
	return o.fell(ctx, f, err, false)
}

// cardState is a card with what is on it: the output of card.show.
type cardState struct {
	enroll.Card
	// Certificates are those in force or on hold.
	Certificates []fallenCert `json:"certificates"`
	// OnHold are the serial numbers of those on hold.
	OnHold []ca.Serial `json:"on_hold,omitempty"`
	// Temporary are its owner's allowances because it is lost.
	Temporary []enroll.Allowance `json:"temporary,omitempty"`
}

func (o *operator) showCard(ctx context.Context, in cardStep) (cardState, error) {
	h, err := o.store.Holding(ctx, enroll.Holder{Issuer: o.issuer, Card: in.Serial, At: time.Now()})
	if err != nil {
		return cardState{}, err
	}
	out := cardState{Card: h.Cards[0], Certificates: fallenCerts(h.Certificates)}
	if out.State == "" {
		return out, enroll.ErrNotFound
	}
	for _, c := range h.Certificates {
		if c.Revoked() {
			out.OnHold = append(out.OnHold, c.Serial)
		}
	}
	if h.Account != nil {
		for _, a := range h.Account.Temporary {
			if a.Card == in.Serial && time.Now().Before(a.Until) {
				out.Temporary = append(out.Temporary, a)
			}
		}
	}
	return out, nil
}

// maxImport is how many cards one card.import takes.
const maxImport = 1000

// newCards is the input of card.import.
type newCards struct {
	Serials []uint32 `json:"serials"`
	Note    string   `json:"note,omitempty"`
}

// importedCards is its output.
type importedCards struct {
	Added int `json:"added"`
	Known int `json:"known"` // before
	// Column is that of the file that the serial numbers are from, which the command adds.
	Column string `json:"column,omitempty"`
}

func (o *operator) importCards(ctx context.Context, in newCards) (importedCards, error) {
	cards := make([]enroll.Card, len(in.Serials))
	for i, serial := range in.Serials {
		cards[i] = enroll.Card{Serial: serial, Note: in.Note}
	}
	added, err := o.holdings.Import(ctx, cards, actorOf(ctx))
	return importedCards{Added: added, Known: len(cards) - added}, err
}

// userStep is the input of user.disable and user.remove.
type userStep struct {
	Name string `json:"name"`
	// Reason is the one with which what hangs on the account is taken back; "" keeps that.
	Reason string `json:"reason,omitempty"`
	Dry    bool   `json:"dry,omitempty"`
}

// userGone is their output.
type userGone struct {
	user
	fallen
}

func (o *operator) disableUser(ctx context.Context, in userStep) (userGone, error) {
	return o.leave(ctx, in, false)
}

func (o *operator) removeUser(ctx context.Context, in userStep) (userGone, error) {
	return o.leave(ctx, in, true)
}

func (o *operator) leave(ctx context.Context, in userStep, remove bool) (userGone, error) {
	l := enroll.Leaving{Remove: remove}
	if in.Reason != "" {
		reason, err := ca.ParseReason(in.Reason)
		if err != nil {
			return userGone{}, &badInput{err}
		}
		l.Revoke = &reason
	}
	before, err := o.showUser(ctx, named{Name: in.Name})
	if err != nil {
		return userGone{}, err
	}
	f, err := o.holdings.Leave(ctx, in.Name, l, actorOf(ctx), in.Dry)
	out, err := o.fell(ctx, f, err, in.Dry)
	if err != nil || remove || in.Dry {
		return userGone{before, out}, err
	}
	after, err := o.showUser(ctx, named{Name: in.Name})
	return userGone{after, out}, err
}

// cardConflict is what to do where a card's state is in the way; "" for other errors.
func cardConflict(err error) string {
	switch {
	case errors.Is(err, enroll.ErrCardKnown):
		return "Only a card that was imported by mistake is forgotten; \"signetd card retire\" takes another out of service."
	case errors.Is(err, enroll.ErrCardNotLost):
		return "\"signetd card show\" says how the card stands."
	case errors.Is(err, enroll.ErrCardLost):
		return "If it has turned up, \"signetd card found\" comes first."
	case errors.Is(err, enroll.ErrReasonStays):
		return "Nothing was changed, and nothing is left to take back: no server lets them in, and nobody enrolls with the card. \"signetd card retire SERIAL --note …\" keeps what is known now."
	case errors.Is(err, enroll.ErrCardRetired):
		return "A retired card stays so; use another."
	case errors.Is(err, enroll.ErrCardAssigned):
		return "\"signetd card show\" says whose it is."
	case errors.Is(err, enroll.ErrCardInUse):
		return "Take them back first: \"signetd cert revoke --card SERIAL --reason superseded\"; or retire the card."
	case errors.Is(err, enroll.ErrTooMany):
		return "Revoke or hold them first, in steps: \"signetd cert revoke\" and \"cert hold\" take --user and --card."
	}
	return ""
}
