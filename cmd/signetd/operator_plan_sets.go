package main

import (
	"time"

	"signet/ca"
	"signet/enroll"
	"signet/revocation"
)

// setSettles is how old a certificate is for its companions to have been on disk when they were
// read: those of younger ones are looked for once more.
const setSettles = time.Minute

// companions are the companions of some profile that are in force, by card.
type companions struct {
	numbers map[string]uint16 // of the profiles that are companions
	on      map[onCard]struct{}
}

// onCard is small: there may be millions.
type onCard struct {
	card    uint32
	profile uint16
}

// companionsInForce reads them; nothing is read where no profile has any.
func (k *planChecking) companionsInForce() (*companions, error) {
	all := &companions{map[string]uint16{}, map[onCard]struct{}{}}
	for _, p := range k.profiles {
		for _, name := range p.With {
			if _, ok := all.numbers[name]; !ok {
				all.numbers[name] = uint16(len(all.numbers))
			}
		}
	}
	if len(all.numbers) == 0 {
		return all, nil
	}
	revoked := false
	err := k.store.Certificates(k.ctx, revocation.Filter{Revoked: &revoked, Leaf: true}, func(c ca.Certificate) bool {
		if n, ok := all.numbers[c.Profile]; ok && c.Card != nil && !k.now.After(c.NotAfter) {
			all.on[onCard{c.Card.Serial, n}] = struct{}{}
		}
		return true
	})
	return all, err
}

// lacking refuses a certificate of p whose card has not all of p's companions; nil where
// it has, or where nothing is known of its card.
func (all *companions) lacking(p *enroll.Profile, c *ca.Certificate) *enroll.RefusedError {
	if p == nil || c.Card == nil || c.Card.Serial == 0 {
		return nil
	}
	return p.RecheckSet(func(name string) bool {
		_, ok := all.on[onCard{c.Card.Serial, all.numbers[name]}]
		return ok
	})
}

// runYoung looks at the young ones' cards, one by one.
func (k *planChecking) runYoung() error {
	for i := range k.young {
		c := &k.young[i]
		h, err := k.store.Holding(k.ctx, enroll.Holder{Issuer: k.issuer, Card: c.Card.Serial, At: k.now})
		if err != nil {
			return err
		}
		there := map[string]bool{}
		for _, on := range h.Certificates {
			there[on.Profile] = there[on.Profile] || on.Card != nil && on.Card.Serial == c.Card.Serial && on.Revocation == nil
		}
		var refused []*enroll.RefusedError
		if lacking := k.profiles[c.Profile].RecheckSet(func(name string) bool { return there[name] }); lacking != nil {
			refused = append(refused, lacking)
		}
		if !k.found(c, refused) {
			return nil
		}
	}
	return nil
}
