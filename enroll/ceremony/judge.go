package ceremony

import (
	"context"

	"signet/enroll"
	"signet/piv"
)

// judge refuses, before a key is made, a card that the CA would refuse after: *[PlanError]
// with the rule's name.
func (r *run) judge(ctx context.Context, plan *enroll.Plan, a piv.Algorithm) error {
	info := r.Card.Info()
	card := enroll.AtHand{Serial: info.Serial, Firmware: info.Firmware, FormFactor: info.Shape}
	if plan.FIPS || plan.Devices.CSPN {
		var err error
		if card.Series, err = r.series(ctx, info); err != nil {
			return err
		}
	}
	refused := plan.Foresee(card, a)
	if len(refused) == 0 {
		return nil
	}
	e := &PlanError{Rule: refused[0].Rule, Reason: refused[0].Reason, Hint: refused[0].Hint}
	for _, also := range refused[1:] {
		e.Reason += "; also " + also.Rule + ": " + also.Reason
	}
	return e
}

// series is what the card's own certificate and its shape tell; nil where one of them can't be
// read, so that nobody is refused for what a program could not see.
func (r *run) series(ctx context.Context, info piv.Info) (*piv.Series, error) {
	own, err := r.Card.Certificate(ctx, piv.SlotAttestation)
	if gone(err) {
		return nil, err
	}
	if err != nil || info.Shape == 0 {
		return nil, nil
	}
	s := piv.SeriesOf(own)
	s.FIPS = s.FIPS || info.FIPS
	return &s, nil
}
