package ceremony

import (
	"context"

	"signet/piv"
)

// A Setup is what a set-up left.
type Setup struct {
	Card        piv.Info        `json:"card"`
	Secured     bool            `json:"secured"` // one of the factory's secrets was replaced
	Management  piv.Management  `json:"management_key"`
	Identifiers piv.Identifiers `json:"identifiers"`
}

// SetUp does of [Enroll] what makes a card a person's own, and no more: PIN, PUK and
// management key in place of the factory's, CHUID and CCC. It asks no CA. A run that
// was ended goes on where it was, and one at a card that is set up changes nothing.
func SetUp(ctx context.Context, cfg Config) (*Setup, error) {
	cfg.CA = ""
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	r.settingUp, r.tries = true, cfg.Tries
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	out := &Setup{Card: cfg.Card.Info(), Secured: r.secured}
	if out.Management, err = cfg.Card.Management(ctx); err != nil {
		return nil, err
	}
	if out.Identifiers, err = cfg.Card.Identifiers(ctx); err != nil {
		return nil, err
	}
	if r.entry.idle() {
		return out, r.Journal.done(r.entry.Card)
	}
	return out, nil
}
