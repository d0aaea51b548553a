package enroll

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"signet/ca"
)

// checkHeld refuses a key for which a certificate of the account's is on hold, whatever the
// credential, and with a new key too what takes the place of such a one on its card by showing
// another certificate, or by a code for that: a hold is an officer's, and not its holder's
// to undo. A key that nobody has enrolled costs nothing here with a password or code.
func (e *Enroller) checkHeld(ctx context.Context, a *application, s *submitted) error {
	shown := a.id.renewed()
	if !s.known && shown == nil {
		return nil
	}
	held, err := e.holds.of(ctx, e.store, e.issuer.ID(), a.id.Account.Name)
	if err != nil {
		return fmt.Errorf("looking for certificates on hold: %w", err)
	}
	for i := range held {
		if held[i].KeyID == s.keyID {
			return e.refuseHeld(ctx, &held[i])
		}
	}
	if len(held) == 0 || shown == nil {
		return nil
	}
	last, err := e.lastOn(ctx, a.id.Account.Name, s.profile.Name(), shown.Card)
	if err != nil || last == nil || statusOf(last, s.at) != StatusHeld {
		return err
	}
	return e.refuseHeld(ctx, last)
}

// refuseHeld says first why it may be on hold: where its card is lost, that is what is to be ended.
func (e *Enroller) refuseHeld(ctx context.Context, c *ca.Certificate) error {
	if c.Card != nil && c.Card.Serial != 0 {
		if err := e.usable(ctx, c.Card.Serial, ""); err != nil {
			return err
		}
	}
	refused := refusef("certificate.held", "its certificate %s is on hold", c.Serial)
	refused.status = http.StatusForbidden // who is asking is known
	return refused
}

// lastOn is the newest of the account's certificates by a profile on that card; nil where
// there is none.
func (e *Enroller) lastOn(ctx context.Context, account, profile string, card *ca.Card) (*ca.Certificate, error) {
	certs, err := e.store.CertificatesOf(ctx, account, MaxHolding)
	if err != nil {
		return nil, fmt.Errorf("listing certificates: %w", err)
	}
	for i := range certs {
		if c := &certs[i]; c.Issuer == e.issuer.ID() && c.Profile == profile && sameCard(c.Card, card) {
			return c, nil
		}
	}
	return nil, nil
}

// maxWithoutHolds bounds the accounts that are remembered.
const maxWithoutHolds = 4096

// holds remembers which accounts had nothing on hold as of which revision, counted from 1:
// while that stands none has been added, and an account with many certificates is
// not read through for each of its renewals.
type holds struct {
	mu   sync.Mutex // owns none
	none map[string]uint64
}

// of returns the account's certificates that are on hold.
func (h *holds) of(ctx context.Context, store Store, issuer, account string) ([]ca.Certificate, error) {
	revision, err := store.Revision(ctx, issuer) // before the reading: that sees no less
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	known := h.none[account] == revision+1
	h.mu.Unlock()
	if known {
		return nil, nil
	}
	held, err := store.OnHold(ctx, issuer, account)
	if err != nil || len(held) > 0 {
		return held, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.none) >= maxWithoutHolds {
		clear(h.none)
	}
	if h.none == nil {
		h.none = make(map[string]uint64)
	}
	h.none[account] = revision + 1
	return nil, nil
}
