package enroll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"signet/internal/audit"
)

// AccountsConfig is what [NewAccounts] is made of.
type AccountsConfig struct {
	Store Store
	// Profiles are the names of the profiles that there are; an account may
	// have no others. The first is what a new account gets when none is named.
	Profiles  []string
	Passwords PasswordParams
	Logger    *slog.Logger     // nil: no log
	Now       func() time.Time // nil means time.Now
}

// Accounts keeps people: who they are, what they may do, and their passwords.
// It is safe for concurrent use. by is always the actor who wanted it so.
type Accounts struct {
	store    Store
	profiles []string
	hasher   *hasher
	logger   *slog.Logger
	now      func() time.Time
}

// NewAccounts makes the service.
func NewAccounts(c AccountsConfig) (*Accounts, error) {
	h, err := newHasher(c.Passwords)
	if err != nil {
		return nil, err
	}
	return &Accounts{store: c.Store, profiles: c.Profiles, hasher: h, logger: orDiscard(c.Logger), now: orNow(c.Now)}, nil
}

// A NewAccount is a person to be added.
type NewAccount struct {
	Name     string
	FullName string // Name where it is ""
	Email    string // may be "", where no profile wants it
	Roles    []Role // RoleUser where there is none
	Profiles []string
	// Password may be "": the account then enrolls by code.
	Password string
	// SamePerson says that this is who had an account of that name before, whose certificates in
	// force are therefore theirs.
	SamePerson bool
}

// ErrNameInForce is the name of an account that is no more, under which certificates are in
// force or on hold: they would be the new account's.
var ErrNameInForce = errors.New("certificates in force bear this name")

// Add makes an account: [ErrExists] where there is one of that name, [ErrNameInForce]; any other
// error than the store's says what is wrong with n.
func (s *Accounts) Add(ctx context.Context, n NewAccount, by string) (Account, error) {
	a := Account{
		Name: n.Name, FullName: n.FullName, Email: n.Email,
		Roles: n.Roles, Profiles: n.Profiles, Created: s.now().UTC().Truncate(time.Second),
	}
	s.fillIn(&a)
	if err := s.check(&a); err != nil {
		return Account{}, err
	}
	former, err := s.inForce(ctx, a.Name)
	switch {
	case err != nil:
		return Account{}, fmt.Errorf("account %s: %w", a.Name, err)
	case former && !n.SamePerson:
		return Account{}, fmt.Errorf("account %s: %w", a.Name, ErrNameInForce)
	}
	if n.Password != "" {
		if err := checkPassword(n.Name, n.Password); err != nil {
			return Account{}, input(err)
		}
		hash, err := s.hasher.hash(ctx, n.Password)
		if err != nil {
			return Account{}, err
		}
		a.PasswordHash = hash
	}
	e := s.event(by, "account.add", a.Name)
	e.Detail = detailOf(&a)
	if former {
		e.Detail["same_person"] = "true"
	}
	if err := s.store.AddAccount(ctx, a, e); err != nil {
		return Account{}, fmt.Errorf("account %s: %w", a.Name, err)
	}
	audit.Log(ctx, s.logger, "end", e)
	return a, nil
}

// inForce reports whether there is no account of that name and certificates of one are in
// force or on hold. While there is none, nobody is issued any.
func (s *Accounts) inForce(ctx context.Context, name string) (bool, error) {
	if _, err := s.store.Account(ctx, name); !errors.Is(err, ErrNotFound) {
		return false, err // one that is there is told of by the store
	}
	certs, err := s.store.CertificatesOf(ctx, name, MaxHolding)
	if err != nil {
		return false, err
	}
	for i := range certs {
		if status := statusOf(&certs[i], s.now()); status == StatusGood || status == StatusHeld {
			return true, nil
		}
	}
	return len(certs) == MaxHolding, nil // more than are looked at
}

func (s *Accounts) fillIn(a *Account) {
	if a.FullName == "" {
		a.FullName = a.Name
	}
	if len(a.Roles) == 0 {
		a.Roles = []Role{RoleUser}
	}
	if len(a.Profiles) == 0 && len(s.profiles) > 0 {
		a.Profiles = s.profiles[:1]
	}
	a.Roles, a.Profiles = slices.Clone(a.Roles), slices.Clone(a.Profiles)
}

// check validates all that people may say of an account.
func (s *Accounts) check(a *Account) error {
	errs := []error{checkName(a.Name), checkFullName(a.FullName), checkRoles(a.Roles)}
	if a.Email != "" {
		errs = append(errs, checkEmail(a.Email))
	}
	if len(a.Profiles) > maxProfiles {
		errs = append(errs, fmt.Errorf("an account has at most %d profiles", maxProfiles))
	}
	for _, p := range a.Profiles {
		if !slices.Contains(s.profiles, p) {
			errs = append(errs, fmt.Errorf("%q is no profile: there is %s", p, strings.Join(s.profiles, ", ")))
		}
	}
	return input(errors.Join(errs...))
}

// maxProfiles bounds an account's profiles.
const maxProfiles = 32

// Get returns an account, or [ErrNotFound].
func (s *Accounts) Get(ctx context.Context, name string) (Account, error) {
	a, err := s.store.Account(ctx, name)
	if err != nil {
		return Account{}, fmt.Errorf("account %q: %w", name, err)
	}
	return a, nil
}

// List returns all accounts, by name.
func (s *Accounts) List(ctx context.Context) ([]Account, error) { return s.store.Accounts(ctx) }

// SetPassword gives an account a new password, or takes it away where password is "".
func (s *Accounts) SetPassword(ctx context.Context, name, password, by string) error {
	hash := ""
	if password != "" {
		if err := checkPassword(name, password); err != nil {
			return input(err)
		}
		var err error
		if hash, err = s.hasher.hash(ctx, password); err != nil {
			return err
		}
	}
	_, err := s.change(ctx, name, "account.password", by, func(a *Account) error {
		a.PasswordHash = hash
		return nil
	})
	return err
}

// Disable keeps an account from logging in and enrolling; its certificates stay
// as they are.
func (s *Accounts) Disable(ctx context.Context, name, by string) error {
	return s.setDisabled(ctx, name, "account.disable", by, true)
}

// Enable undoes Disable.
func (s *Accounts) Enable(ctx context.Context, name, by string) error {
	return s.setDisabled(ctx, name, "account.enable", by, false)
}

func (s *Accounts) setDisabled(ctx context.Context, name, action, by string, to bool) error {
	_, err := s.change(ctx, name, action, by, func(a *Account) error {
		a.Disabled = to
		return nil
	})
	return err
}

// Update runs change on an account and stores what is left of it, checked as a
// new account's. Name, password and creation stay what they are.
func (s *Accounts) Update(ctx context.Context, name, by string, change func(*Account) error) (Account, error) {
	return s.change(ctx, name, "account.change", by, func(a *Account) error {
		hash, created := a.PasswordHash, a.Created
		if err := change(a); err != nil {
			return err
		}
		a.Name, a.PasswordHash, a.Created = name, hash, created
		return s.check(a)
	})
}

// Remove deletes an account and its codes. Its certificates stay in the store:
// whoever wants them revoked does that first.
func (s *Accounts) Remove(ctx context.Context, name, by string) error {
	e := s.event(by, "account.remove", name)
	if err := s.store.RemoveAccount(ctx, name, e); err != nil {
		return fmt.Errorf("account %q: %w", name, err)
	}
	audit.Log(ctx, s.logger, "end", e)
	return nil
}

func (s *Accounts) change(ctx context.Context, name, action, by string, change func(*Account) error) (Account, error) {
	e := s.event(by, action, name)
	a, err := s.store.ChangeAccount(ctx, name, change, e)
	if err != nil {
		return Account{}, fmt.Errorf("account %q: %w", name, err)
	}
	audit.Log(ctx, s.logger, "end", e)
	return a, nil
}

func (s *Accounts) event(by, action, name string) audit.Event {
	return audit.Event{Time: s.now().UTC(), Actor: by, Action: action, Object: name}
}

func detailOf(a *Account) map[string]string {
	roles := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		roles[i] = string(r)
	}
	return map[string]string{
		"full_name": a.FullName, "email": a.Email,
		"roles": strings.Join(roles, " "), "profiles": strings.Join(a.Profiles, " "),
	}
}
