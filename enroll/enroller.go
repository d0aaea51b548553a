package enroll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/piv"
)

// Config is what an [Enroller] is made of. Store, Issuer and Profiles are
// needed; the rest has defaults.
type Config struct {
	Store    Store
	Issuer   *ca.Issuer
	Serials  *ca.SerialSource // nil: one of its own on Store
	Profiles map[string]*Profile
	// Roots are those whose word on a card is taken; nil means Yubico's alone.
	Roots *piv.Roots
	// URLs go into the certificates.
	URLs ca.URLs
	// Escrow opens the PUKs of cards; nil where the CA keeps none. Profiles with
	// puk_escrow are not offered without it.
	Escrow *EscrowKey
	// Keys says which keys are too weak; the zero value is strict enough.
	Keys      ca.KeyPolicy
	Passwords PasswordParams
	Logger    *slog.Logger     // nil: no log
	Now       func() time.Time // nil means time.Now
}

// An Enroller is the registration authority. It is safe for concurrent use.
type Enroller struct {
	store    Store
	issuer   *ca.Issuer
	serials  *ca.SerialSource
	urls     ca.URLs
	keys     ca.KeyPolicy
	logger   *slog.Logger
	now      func() time.Time
	noncer   *noncer
	login    *login
	accounts *Accounts
	codes    *Codes
	escrow   *Escrow
	policy   atomic.Pointer[policy]
	holds    holds

	// answers are buffers in which answers are written, some kilobytes each.
	answers sync.Pool
	// What each answer carries, made once.
	chainPEM []string
	rootPEM  string
	// caKeys are the keys of the CA's own certificates, by ca.KeyIDOf.
	caKeys map[[32]byte]bool
}

// A policy is what may change while the server runs.
type policy struct {
	profiles map[string]*Profile
	roots    *piv.Roots
}

// New makes an Enroller. It reads the nonces' secret from the store.
func New(c Config) (*Enroller, error) {
	if c.Store == nil || c.Issuer == nil {
		return nil, errors.New("enroll: a store and an issuer are needed")
	}
	e := &Enroller{store: c.Store, issuer: c.Issuer, serials: c.Serials, urls: c.URLs, keys: c.Keys, logger: orDiscard(c.Logger), now: orNow(c.Now)}
	if e.serials == nil {
		e.serials = ca.NewSerialSource(c.Store)
	}
	if err := e.SetPolicy(c.Profiles, c.Roots); err != nil {
		return nil, err
	}
	var err error
	if e.noncer, err = newNoncer(context.Background(), c.Store, e.now); err != nil {
		return nil, err
	}
	e.accounts, err = NewAccounts(AccountsConfig{
		Store: c.Store, Profiles: ProfileNames(c.Profiles), Passwords: c.Passwords, Logger: e.logger, Now: e.now})
	if err != nil {
		return nil, err
	}
	e.codes = NewCodes(c.Store, e.logger, e.now)
	e.escrow = NewEscrow(c.Store, c.Escrow, e.logger, e.now)
	e.login = &login{hasher: e.accounts.hasher, verified: newVerifiedSet(e.now), throttle: newThrottle(e.now)}
	e.encodeChain()
	return e, nil
}

func (e *Enroller) encodeChain() {
	e.caKeys = make(map[[32]byte]bool)
	e.chainPEM = []string{}
	for _, cert := range e.issuer.Chain() {
		e.chainPEM = append(e.chainPEM, encodePEM(cert.Raw))
		e.caKeys[ca.KeyIDOf(cert.RawSubjectPublicKeyInfo)] = true
	}
	root := e.issuer.Root()
	e.rootPEM = encodePEM(root.Raw)
	e.caKeys[ca.KeyIDOf(root.RawSubjectPublicKeyInfo)] = true
}

// SetPolicy puts other profiles and roots into force, for requests that come
// from now on. [Enroller.Accounts] goes on knowing the profiles of [New].
func (e *Enroller) SetPolicy(profiles map[string]*Profile, roots *piv.Roots) error {
	for name, p := range profiles {
		if p == nil || p.Profile == nil || p.Name() != name {
			return fmt.Errorf("enroll: the profile under %q is another or none", name)
		}
	}
	if err := CheckSets(profiles); err != nil {
		return fmt.Errorf("enroll: %w", err)
	}
	if roots == nil {
		roots = piv.NewRoots()
	}
	e.policy.Store(&policy{profiles: maps.Clone(profiles), roots: roots})
	return nil
}

// Accounts is the service for accounts, whose password hashing takes turns with
// that of logging in.
func (e *Enroller) Accounts() *Accounts { return e.accounts }

// Codes is the service for codes.
func (e *Enroller) Codes() *Codes { return e.codes }

// Escrow is the service for cards' PUKs.
func (e *Enroller) Escrow() *Escrow { return e.escrow }

// ProfileNames are the names of profiles in the order in which they are
// offered: "user" first, the others by name.
func ProfileNames(profiles map[string]*Profile) []string {
	names := slices.Sorted(maps.Keys(profiles))
	if i := slices.Index(names, "user"); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "user")
	}
	return names
}

// profileFor is the profile that id may enroll for under name, and the one by which it
// may: the same, or the one that it is a companion of and whose certificate id showed. ""
// and "default" mean the one that the code is for, or the account's first. several tells
// that more CSRs come with it.
func (e *Enroller) profileFor(in *policy, id *Identity, name string, several bool) (p, main *Profile, err error) {
	if name == "" || name == "default" {
		name = id.defaultProfile(e.now())
	}
	if name == "" {
		return nil, nil, refuse("profile.denied", "the account "+id.Account.Name+" has no profile")
	}
	granted := name
	if c := id.Certificate; c != nil && in.isCompanion(name, c.Profile) && (several || !id.Account.mayAt(name, e.now())) {
		granted = c.Profile
	}
	if err := mayEnroll(&id.Account, granted, e.now()); err != nil {
		return nil, nil, in.explain(err, &id.Account, name)
	}
	if id.code != nil && id.code.Profile != "" && id.code.Profile != name {
		return nil, nil, refusef("profile.denied", "the code is for the profile %q alone", id.code.Profile)
	}
	p, ok := in.profiles[name]
	if !ok {
		return nil, nil, refusef("profile.unknown", "this CA has no profile %q", name)
	}
	return p, in.profiles[granted], nil
}

// isCompanion reports whether the profile is enrolled together with that main one.
func (in *policy) isCompanion(profile, main string) bool {
	p := in.profiles[main]
	return p != nil && slices.Contains(p.With, profile)
}

// explain has a refusal of a companion say with what it is enrolled.
func (in *policy) explain(err error, of *Account, name string) error {
	for _, main := range of.Profiles {
		if !of.Disabled && in.isCompanion(name, main) {
			return refusef("profile.denied", "the profile %q is enrolled together with %q, or by a client certificate of that", name, main)
		}
	}
	return err
}

// Offer says what id would be certified, on which terms, and gives a nonce. It refuses where
// nothing would be certified on the card with that serial number, before a client makes
// anything there; 0 is for no card.
func (e *Enroller) Offer(ctx context.Context, id *Identity, profile string, card uint32) (*Offer, error) {
	if err := id.mayStart(); err != nil {
		return nil, err
	}
	policy := e.policy.Load()
	p, main, err := e.profileFor(policy, id, profile, false)
	if err != nil {
		return nil, err
	}
	if err := e.checkUsable(ctx, id, card); err != nil {
		return nil, err
	}
	escrow, err := e.offerEscrow(id, p)
	if err != nil {
		return nil, err
	}
	own, err := e.describe(id, p, main)
	if err != nil {
		return nil, err
	}
	nonce := e.noncer.make(id.Account.Name)
	out := &Offer{
		Profile: own.Profile, Account: id.Account.Name, Subject: own.Subject, SANs: own.SANs,
		Nonce: nonce, NonceExpires: nonce.expires().Truncate(time.Second), Plan: own.Plan,
		LifetimeSeconds: own.LifetimeSeconds, Issuer: e.issuer.ID(), EscrowKey: escrow,
	}
	for _, name := range p.With {
		c, err := e.describe(id, policy.profiles[name], main)
		if err != nil {
			return nil, &memberError{name, err}
		}
		out.With = append(out.With, c)
	}
	return out, nil
}

// describe is what id would be certified for p, which it may have by main.
func (e *Enroller) describe(id *Identity, p, main *Profile) (Companion, error) {
	subject, sans, err := p.Describe(id.Account.person())
	if err != nil {
		return Companion{}, refusef("profile.names", "the profile %s does not fit the account: %v", p.Name(), err)
	}
	if sans == nil {
		sans = []string{}
	}
	lifetime, now := p.Lifetime(), e.now()
	if !id.Account.May(main.Name()) {
		lifetime = min(lifetime, id.Account.Until(main.Name(), now).Sub(now))
	}
	return Companion{Profile: p.Name(), Subject: subject, SANs: sans, Plan: p.Plan, LifetimeSeconds: int64(lifetime / time.Second)}, nil
}

// offerEscrow is the key to seal a card's PUK with, where the profile wants that.
// Without one, a card must not be touched; but a renewal leaves the PUK as it is.
func (e *Enroller) offerEscrow(id *Identity, p *Profile) ([]byte, error) {
	if !p.Plan.PUKEscrow {
		return nil, nil
	}
	key, err := e.escrow.public()
	if err != nil && id.renews() != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return key.Bytes(), nil
}

// RenewalCode gives the holder of a certificate in force the code with which to
// enroll a new key in its place: once that key is made, the old one may be gone.
func (e *Enroller) RenewalCode(ctx context.Context, id *Identity) (*Ticket, error) {
	if id.Method != ByCertificate {
		return nil, refuse("credential.kind", "a renewal is asked for with the client certificate that is to be renewed")
	}
	if _, _, err := e.profileFor(e.policy.Load(), id, id.Certificate.Profile, false); err != nil {
		return nil, err
	}
	text, code, err := e.codes.renew(ctx, id.Certificate)
	if err != nil {
		return nil, err
	}
	return &Ticket{Code: text, Expires: code.Expires, Profile: code.Profile}, nil
}

// event is an audit event of id's doing.
func (e *Enroller) event(id *Identity, action, object string) audit.Event {
	return audit.Event{Time: e.now().UTC(), Actor: id.Account.Name, Action: action, Object: object}
}
