package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"signet/enroll/ceremony"
	"signet/piv"
)

// A need is a certificate and when it is to be renewed.
type need struct {
	Renewed   bool      `json:"renewed"`
	Card      uint32    `json:"card"`
	Slot      string    `json:"slot"`
	Serial    string    `json:"serial"`
	NotAfter  time.Time `json:"not_after"`
	RenewFrom time.Time `json:"renew_from"`
	// Seen: the card is not plugged in, or another program holds it, and this is what was on it last.
	Seen bool `json:"card_absent,omitempty"`
}

func (s sighting) need(before time.Duration) need {
	if before == 0 {
		before = s.NotAfter.Sub(s.NotBefore) / 3
	}
	return need{Card: s.Card, Slot: s.Slot, Serial: s.Serial, NotAfter: s.NotAfter, RenewFrom: s.NotAfter.Add(-before)}
}

// needOf looks at the slot, and at those of the certificates that are renewed together
// with its own, and remembers what it saw. Whichever runs out first decides.
func (n *connection) needOf(c *cli.Context, card piv.Card, slot piv.Slot, before time.Duration) (need, error) {
	cert, err := card.Certificate(c.Context, slot)
	if errors.Is(err, piv.ErrEmpty) {
		return need{}, fmt.Errorf("slot %s of card %d: %w", slot, card.Info().Serial, ceremony.ErrNoCertificate)
	}
	if err != nil {
		return need{}, err
	}
	all := []sighting{n.sightingOf(card.Info().Serial, slot, cert)}
	for _, s := range piv.Slots() {
		if s == slot {
			continue
		}
		other, err := card.Certificate(c.Context, s)
		if errors.Is(err, piv.ErrRemoved) || errors.Is(err, piv.ErrOtherCard) || c.Context.Err() != nil {
			return need{}, err
		}
		if err == nil && n.together(card, slot, s, cert, other) {
			also := n.sightingOf(card.Info().Serial, s, other)
			also.With = slot.String()
			all = append(all, also)
		}
	}
	first := all[0].need(before)
	for _, s := range all {
		if also := s.need(before); also.RenewFrom.Before(first.RenewFrom) {
			first = also
		}
		if err := see(s); err != nil {
			fmt.Fprintf(c.App.ErrWriter, "signet: warning: %v\n", err)
		}
	}
	return first, nil
}

func (n *connection) sightingOf(card uint32, slot piv.Slot, cert *x509.Certificate) sighting {
	return sighting{Card: card, Slot: slot.String(), CA: n.URL, Serial: serialOf(cert),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
}

// together reports whether the certificate in slot s is renewed with the one in the main slot. What
// was seen as it was issued or renewed here tells; elsewhere that both were issued at once.
func (n *connection) together(card piv.Card, main, s piv.Slot, cert, other *x509.Certificate) bool {
	if !bytes.Equal(other.RawIssuer, cert.RawIssuer) {
		return false
	}
	for _, seen := range loadSeen() {
		if seen.Card == card.Info().Serial && seen.Slot == s.String() && seen.Serial == serialOf(other) {
			return seen.With == main.String()
		}
	}
	return other.NotBefore.Equal(cert.NotBefore)
}

// sawInstalled remembers what a run has put on the card.
func (n *connection) sawInstalled(r *ceremony.Result) (err error) {
	main := r.Main.String()
	for _, i := range append([]ceremony.Installed{r.Installed}, r.With...) {
		s := sighting{Card: r.Card.Serial, Slot: i.Slot.String(), CA: n.URL, Serial: i.Issued.Serial.String(),
			NotBefore: i.Certificate.NotBefore, NotAfter: i.Certificate.NotAfter}
		if s.Slot != main {
			s.With = main
		}
		err = errors.Join(err, see(s))
	}
	for _, k := range r.Kept {
		if k.Certificate != nil {
			err = errors.Join(err, see(n.sightingOf(r.Card.Serial, k.Slot, k.Certificate)))
		}
	}
	return err
}

// sawAlone remembers of the slots that seemed to be renewed with the main one, and were not, that
// they aren't: they call for no renewal of it any more.
func (n *connection) sawAlone(card piv.Card, slot piv.Slot, r *ceremony.Result) (err error) {
	renewed := map[string]bool{}
	for _, i := range r.With {
		renewed[i.Slot.String()] = true
	}
	for _, s := range loadSeen() {
		if s.Card == card.Info().Serial && s.With == slot.String() && !renewed[s.Slot] {
			s.With = ""
			err = errors.Join(err, see(s))
		}
	}
	return err
}

// withoutCard goes by what was on the card when it was last seen.
func withoutCard(c *cli.Context, slot piv.Slot, before time.Duration, absent error) error {
	var first *need
	for _, s := range loadSeen() {
		if s.Slot != slot.String() && s.With != slot.String() || c.Uint("serial") != 0 && uint(s.Card) != c.Uint("serial") {
			continue
		}
		if n := s.need(before); first == nil || n.RenewFrom.Before(first.RenewFrom) {
			first = &n
		}
	}
	if first == nil {
		return absent
	}
	first.Seen = true
	if time.Now().Before(first.RenewFrom) {
		return first.report(c)
	}
	return first.due(c, explain(absent))
}

func (n need) report(c *cli.Context) error {
	return report(c, n, func() {
		seen := ""
		if n.Seen {
			seen = "; the card can't be looked at now, and this is what was on it last"
		}
		printf(c, "Nothing to do: the certificate in slot %s of card %d holds until %s (%s). It is renewed from %s on%s.\n",
			n.Slot, n.Card, n.NotAfter.Local().Format(time.DateOnly), left(n.NotAfter, time.Now()), n.RenewFrom.Local().Format(time.DateOnly), seen)
	})
}
