package main

import (
	"context"
	"time"

	"signet/enroll"
)

// A user is an account as the operator sees it. The password's hash stays behind.
type user struct {
	Name     string        `json:"name"`
	FullName string        `json:"full_name"`
	Email    string        `json:"email"`
	Roles    []enroll.Role `json:"roles"`
	Profiles []string      `json:"profiles"`
	Disabled bool          `json:"disabled"`
	Password bool          `json:"password"` // whether it has one
	Created  time.Time     `json:"created"`
	// Temporary are the profiles that it may have for a while.
	Temporary []enroll.Allowance `json:"temporary,omitempty"`
}

func userOf(a enroll.Account) user {
	return user{
		Name: a.Name, FullName: a.FullName, Email: a.Email, Roles: a.Roles, Profiles: a.Profiles,
		Disabled: a.Disabled, Password: a.PasswordHash != "", Created: a.Created, Temporary: a.Temporary,
	}
}

// newUser is the input of user.add; Password "" makes an account that enrolls
// by code alone.
type newUser struct {
	Name     string        `json:"name"`
	FullName string        `json:"full_name"`
	Email    string        `json:"email"`
	Roles    []enroll.Role `json:"roles"`
	Profiles []string      `json:"profiles"`
	Password string        `json:"password"`
	// SamePerson is as [enroll.NewAccount] has it.
	SamePerson bool `json:"same_person,omitempty"`
}

// named is the input of operations on one account; Password is user.passwd's.
type named struct {
	Name     string `json:"name"`
	Password string `json:"password,omitempty"`
}

func (o *operator) addUser(ctx context.Context, in newUser) (user, error) {
	a, err := o.accounts.Add(ctx, enroll.NewAccount(in), actorOf(ctx))
	return userOf(a), err
}

func (o *operator) listUsers(ctx context.Context, _ none) ([]user, error) {
	all, err := o.accounts.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]user, len(all))
	for i, a := range all {
		out[i] = userOf(a)
	}
	return out, nil
}

func (o *operator) showUser(ctx context.Context, in named) (user, error) {
	a, err := o.accounts.Get(ctx, in.Name)
	return userOf(a), err
}

func (o *operator) setPassword(ctx context.Context, in named) (user, error) {
	if err := o.accounts.SetPassword(ctx, in.Name, in.Password, actorOf(ctx)); err != nil {
		return user{}, err
	}
	return o.showUser(ctx, in)
}

// userChange is the input of user.change: nil leaves a field as it is.
type userChange struct {
	Name     string         `json:"name"`
	FullName *string        `json:"full_name,omitempty"`
	Email    *string        `json:"email,omitempty"`
	Roles    *[]enroll.Role `json:"roles,omitempty"`
	Profiles *[]string      `json:"profiles,omitempty"`
}

func (o *operator) changeUser(ctx context.Context, in userChange) (user, error) {
	a, err := o.accounts.Update(ctx, in.Name, actorOf(ctx), func(a *enroll.Account) error {
		set(&a.FullName, in.FullName)
		set(&a.Email, in.Email)
		set(&a.Roles, in.Roles)
		set(&a.Profiles, in.Profiles)
		return nil
	})
	return userOf(a), err
}

func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

func (o *operator) enableUser(ctx context.Context, in named) (user, error) {
	if err := o.accounts.Enable(ctx, in.Name, actorOf(ctx)); err != nil {
		return user{}, err
	}
	return o.showUser(ctx, in)
}

// codeRequest is the input of code.new: Profile "" is any that the account has.
type codeRequest struct {
	Account    string `json:"account"`
	Profile    string `json:"profile"`
	TTLSeconds int64  `json:"ttl_seconds"`
}

// newCode is its output. The code is here and nowhere else.
type newCode struct {
	Code    string    `json:"code"`
	Account string    `json:"account"`
	Profile string    `json:"profile,omitempty"`
	Expires time.Time `json:"expires"`
	// CA and Fingerprint are what the user's command takes.
	CA          string `json:"ca"`
	Fingerprint string `json:"fingerprint"`
}

func (o *operator) newCode(ctx context.Context, in codeRequest) (newCode, error) {
	if in.Profile != "" {
		if _, ok := o.profiles[in.Profile]; !ok {
			return newCode{}, badInputf("%q is no profile of this CA", in.Profile)
		}
	}
	ttl := time.Duration(in.TTLSeconds) * time.Second
	secret, code, err := o.codes.New(ctx, in.Account, in.Profile, ttl, actorOf(ctx))
	if err != nil {
		return newCode{}, err
	}
	return newCode{
		Code: secret, Account: code.Account, Profile: code.Profile, Expires: code.Expires,
		CA: o.url, Fingerprint: o.fingerprint,
	}, nil
}
