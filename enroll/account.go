package enroll

import (
	"slices"
	"time"
)

// A Role is what an account may do beside holding certificates.
type Role string

// The roles. A user enrolls and revokes their own; an officer revokes anyone's
// and hands out codes; an admin changes accounts; an auditor reads the log.
const (
	RoleUser    Role = "user"
	RoleOfficer Role = "officer"
	RoleAdmin   Role = "admin"
	RoleAuditor Role = "auditor"
)

// An Account is a person who may log in.
type Account struct {
	// Name is 1 to 64 characters of a-z, 0-9, '.', '_' and '-', the first a letter or digit.
	Name     string `json:"name"`
	FullName string `json:"full_name"`
	Email    string `json:"email"`
	Roles    []Role `json:"roles"`
	// Profiles are the names of the profiles that the account may enroll for;
	// the first is what it gets when it names none.
	Profiles []string `json:"profiles"`
	Disabled bool     `json:"disabled"`
	// PasswordHash is a PHC string of argon2id; "" where the account has no
	// password and enrolls by code alone. It never leaves the server.
	PasswordHash string    `json:"password_hash,omitempty"`
	Created      time.Time `json:"created"`
	// Temporary are what the account may have for a while beside Profiles.
	Temporary []Allowance `json:"temporary,omitempty"`
}

// May reports whether the account may enroll for the profile named, without
// any allowance.
func (a *Account) May(profile string) bool { return slices.Contains(a.Profiles, profile) }

// Until is when the account's allowance for the profile ends, the last where there are
// several; zero where there is none at that time.
func (a *Account) Until(profile string, now time.Time) (until time.Time) {
	for _, t := range a.Temporary {
		if t.Profile == profile && now.Before(t.Until) && t.Until.After(until) {
			until = t.Until
		}
	}
	return until
}

// mayAt reports whether the account may enroll for the profile named at that time.
func (a *Account) mayAt(profile string, now time.Time) bool {
	return a.May(profile) || !a.Until(profile, now).IsZero()
}

// Has reports whether the account has the role r.
func (a *Account) Has(r Role) bool { return slices.Contains(a.Roles, r) }
