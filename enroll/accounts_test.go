package enroll_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"signet/enroll"
	"signet/internal/audit"
	"signet/store/bolt"
)

func newAccounts(t *testing.T) (*enroll.Accounts, *bolt.Store) {
	t.Helper()
	store := must(bolt.Open(filepath.Join(t.TempDir(), "signet.db"), nil))
	t.Cleanup(func() { _ = store.Close() })
	return must(enroll.NewAccounts(enroll.AccountsConfig{Store: store, Profiles: []string{"user", "vpn"}, Passwords: cheap})), store
}

func TestAccounts(t *testing.T) {
	s, store := newAccounts(t)
	a := must(s.Add(ctx, enroll.NewAccount{Name: "alice"}, audit.Operator))
	if a.FullName != "alice" || !a.Has(enroll.RoleUser) || !a.May("user") || a.May("vpn") || a.PasswordHash != "" {
		t.Errorf("defaults: %+v", a)
	}
	if _, err := s.Add(ctx, enroll.NewAccount{Name: "alice"}, audit.Operator); !errors.Is(err, enroll.ErrExists) {
		t.Errorf("a second alice: %v", err)
	}
	must(s.Update(ctx, "alice", audit.Operator, func(a *enroll.Account) error {
		a.Name, a.Email, a.Profiles, a.PasswordHash = "mallory", "alice@example.com", []string{"vpn"}, "x"
		return nil
	}))
	a = must(s.Get(ctx, "alice"))
	if a.Email != "alice@example.com" || !a.May("vpn") || a.PasswordHash != "" {
		t.Errorf("changed: %+v", a)
	}
	if err := s.SetPassword(ctx, "alice", "correct horse", audit.Operator); err != nil {
		t.Fatal(err)
	}
	if a = must(s.Get(ctx, "alice")); !strings.HasPrefix(a.PasswordHash, "$argon2id$") {
		t.Errorf("password %q", a.PasswordHash)
	}
	if err := s.SetPassword(ctx, "alice", "", audit.Operator); err != nil || must(s.Get(ctx, "alice")).PasswordHash != "" {
		t.Errorf("the password is still there: %v", err)
	}
	if err := s.Remove(ctx, "alice", audit.Operator); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"password": s.SetPassword(ctx, "alice", "correct horse", audit.Operator),
		"disable":  s.Disable(ctx, "alice", audit.Operator),
		"remove":   s.Remove(ctx, "alice", audit.Operator),
	} {
		if !errors.Is(err, enroll.ErrNotFound) {
			t.Errorf("%s of a removed account: %v", what, err)
		}
	}
	actions := map[string]bool{}
	err := store.Events(ctx, 0, func(e audit.Event) bool {
		actions[e.Action] = true
		for _, v := range e.Detail {
			if strings.Contains(v, "argon2") || strings.Contains(v, "horse") {
				t.Errorf("a secret in the log: %+v", e)
			}
		}
		return true
	})
	if err != nil || !actions["account.add"] || !actions["account.change"] || !actions["account.password"] || !actions["account.remove"] {
		t.Errorf("events %v, %v", actions, err)
	}
}

func TestAccountsRefuse(t *testing.T) {
	s, _ := newAccounts(t)
	for want, n := range map[string]enroll.NewAccount{
		"account name": {Name: "Alice"},
		"full name":    {Name: "a", FullName: "A\x00"},
		"e-mail":       {Name: "a", Email: "nowhere"},
		"role":         {Name: "a", Roles: []enroll.Role{"king"}},
		"twice":        {Name: "a", Roles: []enroll.Role{enroll.RoleUser, enroll.RoleUser}},
		"no profile":   {Name: "a", Profiles: []string{"root"}},
		"password":     {Name: "a", Password: "short"},
	} {
		if _, err := s.Add(ctx, n, audit.Operator); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error about the %s", n, err, want)
		}
	}
	if list := must(s.List(ctx)); len(list) != 0 {
		t.Errorf("%d accounts after nothing but refusals", len(list))
	}
}
