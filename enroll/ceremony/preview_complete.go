package ceremony

import (
	"context"
	"errors"
	"fmt"
)

// ErrOwnNeeded is a preview of [Complete] without a password: it shows no PIN, by which alone
// the CA would know the card.
var ErrOwnNeeded = errors.New("what the card lacks is the account's to ask for, by its password: the card isn't asked for its PIN")

// PreviewComplete asks the CA as the account, looks at the card and says what [Complete] would do.
// It writes nothing, to card, disk or CA, and presents no PIN.
func PreviewComplete(ctx context.Context, cfg Config) (*Preview, error) {
	if cfg.Own == nil {
		return nil, ErrOwnNeeded
	}
	cfg.Slot, cfg.Account = 0, cfg.Own
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	r.dry = true
	p := &Preview{Card: cfg.Card.Info(), Steps: []string{}}
	if pending, err := r.pending(ctx); err != nil || pending {
		return p, errors.Join(err, r.previewPending(ctx, p))
	}
	return p, r.previewComplete(ctx, p)
}

func (r *run) previewComplete(ctx context.Context, p *Preview) error {
	_, main, err := r.speaker(ctx)
	if err != nil {
		return err
	}
	record, err := r.record(ctx, main)
	if err != nil {
		return fmt.Errorf("asking about the certificate in force: %w", err)
	}
	r.profile = record.Profile
	offer, err := r.plan(ctx)
	if err != nil {
		return err
	}
	lacking, err := r.lacking(ctx, offer)
	if occupied := new(OccupiedError); errors.As(err, &occupied) {
		p.stopAt(err, ": it would be kept")
		return nil
	}
	if err != nil {
		return err
	}
	return r.previewKeys(ctx, p, offer, lacking)
}
