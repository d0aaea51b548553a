package ceremony

import (
	"context"
	"fmt"
	"strings"

	"signet/piv"
)

// A Preview is what a run would do, in words.
type Preview struct {
	Card piv.Info `json:"card"`
	// Wants is the key that the CA wants; "" where it was not asked. With are those that
	// it wants together with it.
	Wants string   `json:"wants,omitempty"`
	With  []Wanted `json:"with,omitempty"`
	Steps []string `json:"steps"`           // in their order; none where there is nothing to do
	Stops string   `json:"stops,omitempty"` // why the run would end before them, if it would

	keeps bool // the CA keeps the card's PUK
	kept  bool // it has one already
}

// A Wanted is a key that the CA wants, in words.
type Wanted struct {
	Profile string `json:"profile"`
	Wants   string `json:"wants"`
}

// PreviewSetUp looks at the card and says what [SetUp] would do. It writes nothing and
// presents no PIN.
func PreviewSetUp(ctx context.Context, cfg Config) (*Preview, error) {
	p := &Preview{Card: cfg.Card.Info(), Steps: []string{}}
	return p, p.setUp(ctx, cfg.Card, true, cfg.Tries)
}

// PreviewEnroll asks the CA for its plan, looks at the card and says what [Enroll] would do.
// It writes nothing, to card, disk or CA, and presents no PIN.
func PreviewEnroll(ctx context.Context, cfg Config) (*Preview, error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	r.dry = true
	p := &Preview{Card: cfg.Card.Info(), Steps: []string{}}
	pending, err := r.pending(ctx)
	if err != nil {
		return nil, err
	}
	if !pending {
		return p, r.preview(ctx, p)
	}
	if _, err := r.foresee(ctx); err != nil {
		return nil, err
	}
	if err := p.setUp(ctx, cfg.Card, false, Tries{}); err != nil {
		return nil, err
	}
	for _, k := range r.entry.Keys {
		if k.made() {
			p.add("go on with the %s key in slot %s that an earlier run made for profile %s", k.Algorithm, k.Slot, k.Profile)
		} else {
			p.make(k)
		}
	}
	p.certify(r.entry.Keys)
	return p, nil
}

func (r *run) preview(ctx context.Context, p *Preview) error {
	offer, err := r.plan(ctx)
	if err != nil {
		return err
	}
	if err := r.choose(ctx, offer.Profile, membersOf(offer)); err != nil {
		return err
	}
	p.Wants, p.With = r.wants[0].Wants, r.wants[1:]
	if p.keeps = r.keeping(); p.keeps {
		now, err := r.ca.PUK(ctx, p.Card.Serial)
		if err != nil {
			return err
		}
		p.kept = now.Current != ""
	}
	asked, err := r.previewSlots(ctx, p)
	if err != nil {
		return err
	}
	if err := p.setUp(ctx, r.Card, false, r.tries); err != nil {
		return err
	}
	p.Steps = append(p.Steps, asked...)
	for _, k := range r.entry.Keys {
		p.make(k)
	}
	p.certify(r.entry.Keys)
	return nil
}

// previewSlots says what is to be asked about slots that are in use.
func (r *run) previewSlots(ctx context.Context, p *Preview) (asked []string, err error) {
	e := &OccupiedError{Card: p.Card}
	for _, k := range r.entry.Keys {
		o, inUse, err := r.occupied(ctx, k)
		if err != nil {
			return nil, err
		}
		if inUse {
			e.InUse = append(e.InUse, o)
			asked = append(asked, fmt.Sprintf("ask whether what slot %s holds may be destroyed", k.Slot))
		}
	}
	if len(e.InUse) > 0 && !r.Force {
		p.Stops = e.Error() + ": it would be kept"
	}
	return asked, nil
}

// certify says what is done once the keys are made: all are certified, or none is.
func (p *Preview) certify(keys []*pendingKey) {
	switch {
	case keys[0].Issued != nil: // by an earlier run
	case len(keys) == 1:
		p.add("have it certified for profile %s", keys[0].Profile)
	default:
		p.add("have all %d certified at once, for profiles %s", len(keys), profilesOf(keys))
	}
	for _, k := range keys {
		p.add("write the certificate to slot %s, and have the card prove that the two belong together", k.home())
	}
	if lastRetired(keys) != 0 {
		p.add("note on the card which retired slots are in use (Key History)")
	}
}

func (p *Preview) make(k *pendingKey) {
	p.add("make %s in slot %s, which wants the PIN: %s, a touch: %s", keyInWords(k.Algorithm), k.Slot, k.PIN, k.Touch)
}

func profilesOf(keys []*pendingKey) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.Profile)
	}
	return strings.Join(all, ", ")
}

func (p *Preview) add(format string, args ...any) {
	p.Steps = append(p.Steps, fmt.Sprintf(format, args...))
}

// setUp says what is to be done about PIN, PUK, management key and identifiers.
func (p *Preview) setUp(ctx context.Context, card piv.Card, alone bool, want Tries) error {
	tries, err := card.PINTries(ctx)
	if err != nil {
		return err
	}
	if err := mayTry(tries); err != nil && p.Stops == "" {
		p.Stops = err.Error()
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
	p.secrets(f, m, tries, alone)
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

func (p *Preview) secrets(f piv.FactorySecrets, m piv.Management, tries int, alone bool) {
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
	p.add("ask for the PIN (%d tries left)", tries)
	if alone && f.Known && f.PUK {
		p.add("replace the factory's PUK by a new one that is asked for")
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
		p.add("ask for the PIN (%d tries left)", tries)
	}
	if f.Known && !f.PUK && !p.kept {
		p.add("ask for the PUK, and replace it by a random one that the CA keeps, sealed")
	}
}
