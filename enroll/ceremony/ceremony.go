package ceremony

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"

	"signet/ca"
	"signet/enroll"
	"signet/piv"
)

// An Authority is what of [enroll.Client] the ceremony needs.
type Authority interface {
	Plan(ctx context.Context, profile string, card uint32) (*enroll.Offer, error)
	Submit(ctx context.Context, requests ...enroll.Request) (*enroll.Issued, error)
	Keeper
}

// A Renewer is an Authority that knows its client by the certificate in force.
type Renewer interface {
	Authority
	RenewalCode(ctx context.Context) (*enroll.Ticket, error)
	Certificate(ctx context.Context, serial ca.Serial) (*enroll.Record, error)
	Certificates(ctx context.Context) ([]enroll.Record, error)
	Revoke(ctx context.Context, serial ca.Serial, reason ca.Reason) error
}

var _ Renewer = (*enroll.Client)(nil)

// Config is one run at one card.
type Config struct {
	Card    piv.Card
	UI      UI
	Journal Journal
	// CA is the CA's URL: what is pending belongs to one CA.
	CA string
	// Root is the CA's root, which the certificate must lead to.
	Root *x509.Certificate
	// Profile is what to enroll for; "" for the account's first.
	Profile string
	// Algorithm is the first key's; "" for the first of the profile's that the card can.
	Algorithm piv.Algorithm
	// Tries are set on a card as it left the factory. For SetUp; Enroll goes by the plan.
	Tries Tries
	// NewPUK tells that there is one to replace the factory's by, or a person to ask, also where the
	// card's PIN is not the factory's any more. A set-up always asks.
	NewPUK bool
	// Force allows to ask whether what the slot holds may be replaced.
	Force bool

	// Account is the CA as the account, with its password or code. For Enroll.
	Account Authority
	// Own is the same where a password says who that is: a code is good for no more than
	// an enrollment. nil for none.
	Own Renewer
	// Holder makes the CA as whoever holds cert, whose key is the card's. For Renew and Complete.
	Holder func(cert tls.Certificate) Renewer
	// Code makes the CA as whoever has a one-time code.
	Code func(code string) Authority
	// Slot is the slot to renew; 0 for 9a. For Renew alone.
	Slot piv.Slot
	// KeepOld leaves certificates in force where new keys take the place of theirs.
	KeepOld bool
}

// run is the state of one ceremony.
type run struct {
	Config
	entry   *entry
	profile string   // asked for, where Config names none
	wants   []Wanted // the plan in words, once it was shown
	tries   Tries
	refused [][]byte // SubjectPublicKeyInfo of keys of ours that are of no use to anyone
	missing []Missing
	passOn  []piv.Slot // of old keys that are moved on unasked: nothing is lost
	pin     string
	ca      Authority // who is asked now
	told    piv.FactorySecrets
	escrow  *enroll.EscrowPublic // seals the card's PUK; nil where the CA keeps none
	resumed bool
	secured bool
	open    bool // the card is unlocked

	entered  bool              // the PIN was verified
	isNew    bool              // it is the factory's
	factory  bool              // so is the management key
	asHeld   *x509.Certificate // that the CA knows the holder by; nil for another way
	heldIn   piv.Slot          // its slot
	renewing bool              // the holder is known so: a PUK that the card has is left to it
	stepped  Step              // the last that was for a key

	superseded []ca.Serial // revoked for keys that were replaced
	left       []ca.Serial // to be revoked for that by another run

	settingUp bool // the card is set up, and no more
	dry       bool // nothing is written
}

func newRun(cfg Config) (*run, error) {
	e, err := cfg.Journal.load(cfg.CA, cfg.Card.Info().Serial)
	if err != nil {
		return nil, err
	}
	return &run{Config: cfg, entry: e, ca: cfg.Account}, nil
}

func (r *run) save() error {
	if r.dry {
		return nil
	}
	return r.Journal.save(r.entry)
}

// step says what begins now. Where there are several keys, it is one step for all of them,
// and said at which it is.
func (r *run) step(s Step, k *pendingKey) {
	n := len(r.entry.Keys)
	if n == 1 || s != r.stepped {
		r.UI.Step(s)
	}
	r.stepped = s
	if n > 1 {
		r.UI.Note(fmt.Sprintf("key %d of %d, in slot %s", slices.Index(r.entry.Keys, k)+1, n, k.Slot))
	}
}

func (r *run) plan(ctx context.Context) (*enroll.Offer, error) {
	r.UI.Step(StepPlan)
	profile := r.Profile
	if profile == "" {
		profile = r.profile
	}
	if r.entry.Profile != "" {
		profile = r.entry.Profile
	}
	offer, err := r.ca.Plan(ctx, profile, r.Card.Info().Serial)
	if err != nil {
		return nil, fmt.Errorf("asking for the profile: %w", err)
	}
	return offer, r.offered(offer)
}
