package ceremony

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"signet/enroll"
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

	stop  error
	keeps bool // the CA keeps the card's PUK
	kept  bool // it has one already
}

// Stopped is what the run would end with before the steps; nil where it would not.
func (p *Preview) Stopped() error { return p.stop }

func (p *Preview) stopAt(err error, more string) {
	if p.stop == nil {
		p.stop, p.Stops = err, err.Error()+more
	}
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
	return p, r.previewPending(ctx, p)
}

// previewPending says how an earlier run is gone on with.
func (r *run) previewPending(ctx context.Context, p *Preview) error {
	if _, err := r.foresee(ctx); err != nil {
		return err
	}
	if err := p.setUp(ctx, r.Card, r.NewPUK, Tries{}); err != nil {
		return err
	}
	for _, k := range r.entry.Keys {
		if k.made() {
			p.add("go on with the %s key in slot %s that an earlier run made for profile %s", k.Algorithm, k.Slot, k.Profile)
		} else {
			p.make(k)
		}
	}
	p.certify(r.entry.Keys)
	return nil
}

func (r *run) preview(ctx context.Context, p *Preview) error {
	offer, err := r.plan(ctx)
	if err != nil {
		return err
	}
	return r.previewKeys(ctx, p, offer, membersOf(offer))
}

// previewKeys says how the members' keys are made.
func (r *run) previewKeys(ctx context.Context, p *Preview, offer *enroll.Offer, members []member) error {
	if err := r.choose(ctx, offer.Profile, members); err != nil {
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
	asked, replaces, err := r.previewSlots(ctx, p, slotsOf(offer))
	if err != nil {
		return err
	}
	if err := p.setUp(ctx, r.Card, r.NewPUK, r.tries); err != nil {
		return err
	}
	p.Steps = append(p.Steps, asked...)
	for _, k := range r.entry.Keys {
		p.make(k)
	}
	p.certify(r.entry.Keys)
	if replaces && !r.KeepOld {
		p.add("have the CA revoke, as superseded, what is in force for the keys that are destroyed")
	}
	return nil
}

// previewSlots says what is to be asked about slots that are in use, and whether keys are replaced.
func (r *run) previewSlots(ctx context.Context, p *Preview, used []piv.Slot) (asked []string, replaces bool, err error) {
	e := &OccupiedError{Card: p.Card}
	for _, k := range r.entry.Keys {
		o, inUse, err := r.occupied(ctx, k)
		if err != nil {
			return nil, false, err
		}
		if inUse && slices.Contains(r.passOn, k.Slot) {
			if o.Keep, err = r.keep(ctx, k, o.Certificate, used); err != nil {
				return nil, false, err
			}
			if used = append(used, o.Keep); o.Keep != 0 {
				asked = append(asked, fmt.Sprintf("move the key in slot %s, which reads what was encrypted to it, to slot %s", k.Slot, o.Keep))
				continue
			}
		}
		if inUse {
			e.InUse = append(e.InUse, o)
			ask := fmt.Sprintf("ask whether what slot %s holds may be destroyed", k.Slot)
			if o.Encrypts {
				if o.Keep, err = r.keep(ctx, k, o.Certificate, used); err != nil {
					return nil, false, err
				}
				used = append(used, o.Keep)
			}
			switch {
			case o.Keep != 0:
				ask = fmt.Sprintf("ask whether the key in slot %s, which reads what was encrypted to it, may be moved to slot %s", k.Slot, o.Keep)
			case o.Encrypts:
				ask += ", without whose key messages that were encrypted to it can't be read any more"
			}
			asked = append(asked, ask)
		}
	}
	if len(e.InUse) > 0 && !r.Force {
		e.Main = e.InUse[0].Slot == r.entry.Keys[0].Slot
		p.stopAt(r.askForeign(ctx, e), ": it would be kept")
	}
	return asked, len(e.InUse) > 0, nil
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
