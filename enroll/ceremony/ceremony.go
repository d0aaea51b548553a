package ceremony

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"signet/ca"
	"signet/enroll"
	"signet/internal/problem"
	"signet/piv"
)

// An Authority is what of [enroll.Client] the ceremony needs.
type Authority interface {
	Plan(ctx context.Context, profile string) (*enroll.Offer, error)
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
	// Algorithm is the key's; "" for the first of the profile's that the card can.
	Algorithm piv.Algorithm
	// Tries are set on a card as it left the factory. For SetUp; Enroll goes by the plan.
	Tries Tries
	// Force allows to ask whether what the slot holds may be replaced.
	Force bool

	// Account is the CA as the account, with its password or code. For Enroll.
	Account Authority
	// Holder makes the CA as whoever holds cert, whose key is the card's. For Renew.
	Holder func(cert tls.Certificate) Renewer
	// Code makes the CA as whoever has a one-time code.
	Code func(code string) Authority
	// Slot is the slot to renew; 0 for 9a. For Renew.
	Slot piv.Slot
	// KeepOld leaves the old certificate in force where a new key takes its place.
	KeepOld bool
}

// A Result is a certificate on a card.
type Result struct {
	Card        piv.Info
	Slot        piv.Slot
	Certificate *x509.Certificate
	Issued      *enroll.Issued
	Profile     string
	Resumed     bool // what an earlier run had begun
	Secured     bool // the factory's secrets were replaced
	// Superseded are the certificates of the key that this one's replaced, and that the CA
	// revoked for that.
	Superseded []ca.Serial
}

// run is the state of one ceremony.
type run struct {
	Config
	entry   *entry
	profile string // asked for, where Config names none
	wants   string // the plan in words, once it was shown
	tries   Tries
	refused []byte // SubjectPublicKeyInfo of a key in the slot that the CA refused
	pin     string
	ca      Authority // who is asked now
	told    piv.FactorySecrets
	escrow  *enroll.EscrowPublic // seals the card's PUK; nil where the CA keeps none
	resumed bool
	secured bool

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

// Enroll makes a key on the card and gets a certificate for it, or goes on
// where an earlier run was ended. It fails with *[OccupiedError] where the
// slot is in use, and with what the card, the CA or the UI fails with.
func Enroll(ctx context.Context, cfg Config) (*Result, error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	pending, err := r.pending(ctx)
	if err != nil {
		return nil, err
	}
	if pending && !r.entry.Key.Refused {
		return r.resume(ctx)
	}
	if pending {
		r.refused, r.entry.Key = r.entry.Key.Public, nil
	}
	offer, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.choose(ctx, offer); err != nil {
		return nil, err
	}
	if err := r.clearSlot(ctx); err != nil {
		return nil, err
	}
	r.entry.Ticket, r.entry.Replaces = nil, nil
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	if err := r.generate(ctx); err != nil {
		return nil, err
	}
	if err := r.request(ctx, offer); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// resume goes on with the key that the journal tells of.
func (r *run) resume(ctx context.Context) (*Result, error) {
	if err := r.same(); err != nil {
		return nil, err
	}
	r.resumed = true
	r.UI.Note("going on with the key that an earlier run made")
	k := r.entry.Key
	if err := r.unlock(ctx); err != nil {
		return nil, err
	}
	if err := r.ask(ctx); err != nil {
		return nil, err
	}
	if k.CSR == nil {
		offer, err := r.plan(ctx)
		if err != nil {
			return nil, err
		}
		if err := r.request(ctx, offer); err != nil {
			return nil, err
		}
	}
	return r.finish(ctx)
}

// ask settles whom a resumed run asks: as whoever has the ticket, as the account,
// or as the holder of the certificate that is being renewed.
func (r *run) ask(ctx context.Context) error {
	k := r.entry.Key
	switch {
	case k.Issued != nil:
		return nil // nobody
	case r.ticketHolds():
		r.ca = r.Code(r.entry.Ticket.Code)
		return nil
	case r.Account != nil:
		return nil
	}
	r.Slot = k.home()
	cert, err := r.matching(ctx, r.Slot)
	if err != nil {
		return errors.Join(ErrNotRenewable, err)
	}
	return r.connect(ctx, cert)
}

func (r *run) plan(ctx context.Context) (*enroll.Offer, error) {
	r.UI.Step(StepPlan)
	profile := r.Profile
	if profile == "" {
		profile = r.profile
	}
	if r.entry.Key != nil && r.entry.Key.Profile != "" {
		profile = r.entry.Key.Profile
	}
	offer, err := r.ca.Plan(ctx, profile)
	if err != nil {
		return nil, fmt.Errorf("asking for the profile: %w", err)
	}
	return offer, r.offered(offer)
}

// finish hands the CSR in, unless that was done, and puts the certificate on the card.
func (r *run) finish(ctx context.Context) (*Result, error) {
	if r.entry.Key.Issued == nil {
		if err := r.submit(ctx); err != nil {
			return nil, err
		}
	}
	cert, err := r.install(ctx)
	if err != nil {
		return nil, err
	}
	k := r.entry.Key
	superseded := r.supersede(ctx, cert)
	if err := r.Journal.done(r.entry.Card); err != nil {
		return nil, err
	}
	return &Result{Card: r.Card.Info(), Slot: k.home(), Certificate: cert, Issued: k.Issued, Profile: k.Profile,
		Resumed: r.resumed, Secured: r.secured, Superseded: superseded}, nil
}

// same refuses to go on with a key that isn't what is asked for now.
func (r *run) same() error {
	k := r.entry.Key
	if r.Profile != "" && r.Profile != k.Profile {
		return &PendingError{fmt.Sprintf("an enrollment for profile %s was begun on this card", k.Profile)}
	}
	if r.Algorithm != "" && r.Algorithm != k.Algorithm {
		return &PendingError{fmt.Sprintf("an enrollment with a %s key was begun on this card", k.Algorithm)}
	}
	return nil
}

// submit hands the CSR in. Where the nonce in it has run out, or is another
// account's, a new CSR of the same key is signed.
func (r *run) submit(ctx context.Context) error {
	k := r.entry.Key
	r.UI.Step(StepSubmit)
	issued, err := r.ca.Submit(ctx, enroll.Request{Profile: k.Profile, CSR: k.CSR})
	if refusedNonce(err) {
		offer, planErr := r.plan(ctx)
		if planErr != nil {
			return planErr
		}
		if err := r.request(ctx, offer); err != nil {
			return err
		}
		r.UI.Step(StepSubmit)
		issued, err = r.ca.Submit(ctx, enroll.Request{Profile: k.Profile, CSR: k.CSR})
	}
	if refusedBy(err, "escrow.missing") {
		if err := r.keepLate(ctx); err != nil {
			return err
		}
		issued, err = r.ca.Submit(ctx, enroll.Request{Profile: k.Profile, CSR: k.CSR})
	}
	if err != nil {
		return errors.Join(fmt.Errorf("handing the request in: %w", err), r.noteRefusal(err))
	}
	if _, err := r.check(issued); err != nil {
		return err
	}
	k.Issued = issued
	return r.save()
}

func refusedNonce(err error) bool {
	return refusedBy(err, "nonce.expired", "nonce.spent", "nonce.account")
}

// refusedBy reports whether one of those rules of the CA's refused.
func refusedBy(err error, rules ...string) bool {
	var p *problem.Problem
	return errors.As(err, &p) && slices.Contains(rules, p.Rule)
}

// noteRefusal remembers that the CA won't certify the key: the next run makes
// another. One that was there before is kept, and the request forgotten.
func (r *run) noteRefusal(err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return nil
	}
	kind, _, _ := strings.Cut(p.Rule, ".")
	if kind != "attestation" && kind != "key" && kind != "csr" {
		return nil // it may be all right another time, or by other credentials
	}
	if k := r.entry.Key; bytes.Equal(k.Public, k.Before) {
		r.entry.Key = nil
	} else {
		k.Refused = true
	}
	return r.save()
}
