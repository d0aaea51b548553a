package ceremony

import (
	"context"
	"fmt"

	"signet/piv"
)

// setUp says what is to be done about PIN, PUK, management key and identifiers; newPUK, that the
// factory's PUK is replaced also where the PIN is not the factory's.
func (p *Preview) setUp(ctx context.Context, card piv.Card, newPUK bool, want Tries) error {
	tries, err := card.PINTries(ctx)
	if err != nil {
		return err
	}
	if err := mayTry(tries); err != nil {
		p.stopAt(err, "")
	}
	m, err := card.Management(ctx)
	if err != nil {
		return err
	}
	f, err := card.FactorySecrets(ctx)
	if err != nil {
		return err
	}
	p.tries(f, m, want)
	p.secrets(f, m, tries, newPUK)
	switch {
	case m.Factory:
		p.add("replace the factory's management key by a random one (%s), kept under the PIN where ykman finds it", m.Algorithm)
	case !m.Protected:
		p.add("look under the PIN for the management key, which is not the factory's; stop where it isn't there")
	}
	ids, err := card.Identifiers(ctx)
	if err != nil {
		return err
	}
	if !ids.CHUID {
		p.add("write a CHUID")
	}
	if !ids.CCC {
		p.add("write a CCC")
	}
	return nil
}

// tries is said of a card that tells that it is as it left the factory, or may be.
func (p *Preview) tries(f piv.FactorySecrets, m piv.Management, want Tries) {
	if want == (Tries{}) || !m.Factory || f.Known && !(f.PIN && f.PUK) {
		return
	}
	words := func(n int) string {
		if n == 0 {
			return "as many as now"
		}
		return fmt.Sprint(n)
	}
	p.add("set how often a wrong PIN may be given: %s, a wrong PUK: %s", words(want.PIN), words(want.PUK))
}

func (p *Preview) askPIN(tries int) {
	if tries == 1 {
		p.add("ask for the PIN (1 try left)")
		return
	}
	p.add("ask for the PIN (%d tries left)", tries)
}

func (p *Preview) secrets(f piv.FactorySecrets, m piv.Management, tries int, newPUK bool) {
	if p.keeps {
		p.keepPUK(f, m, tries)
		return
	}
	switch {
	case f.Known && f.PIN && f.PUK:
		p.add("replace the factory's PUK, then its PIN, by new ones that are asked for")
		return
	case f.Known && f.PIN:
		p.add("replace the factory's PIN by a new one that is asked for")
		return
	case !f.Known && m.Factory:
		p.add("try the factory's PIN, and where it is the card's, replace PUK and PIN by new ones that are asked for")
		return
	}
	p.askPIN(tries)
	switch {
	case !f.Known || !f.PUK:
	case newPUK:
		p.add("replace the factory's PUK by a new one that is asked for")
	default:
		p.add("leave the factory's PUK, with which anyone can set a new PIN: give a new one with --puk-file")
	}
}

// keepPUK is secrets for a card whose PUK the CA keeps.
func (p *Preview) keepPUK(f piv.FactorySecrets, m piv.Management, tries int) {
	if f.Known && f.PUK || !f.Known && m.Factory {
		p.add("replace the factory's PUK by a random one that the CA keeps, sealed")
	}
	switch {
	case f.Known && f.PIN:
		p.add("replace the factory's PIN by a new one that is asked for")
	case !f.Known && m.Factory:
		p.add("try the factory's PIN, and where it is the card's, replace it by a new one that is asked for")
	default:
		p.askPIN(tries)
	}
	if f.Known && !f.PUK && !p.kept {
		p.add("ask for the PUK, and replace it by a random one that the CA keeps, sealed")
	}
}
