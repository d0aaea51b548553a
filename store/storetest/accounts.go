package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"signet/enroll"
)

func testAccounts(t *testing.T, f *fixture) {
	want := map[string]enroll.Account{}
	for _, name := range []string{"bob", "alice", "a.b-c_d", "al"} {
		want[name] = f.account(t, name)
	}
	for name := range want {
		got, err := f.Account(f.ctx, name)
		must(t, err)
		equal(t, got, want[name])
	}
	all, err := f.Accounts(f.ctx)
	must(t, err)
	var names []string
	for _, a := range all {
		names = append(names, a.Name)
		equal(t, a, want[a.Name])
	}
	equal(t, names, []string{"a.b-c_d", "al", "alice", "bob"})
}

func testAccountExists(t *testing.T, f *fixture) {
	first := f.account(t, "alice")
	f.unchanged(t, enroll.ErrExists, func() error {
		return f.AddAccount(f.ctx, enroll.Account{Name: "alice"}, f.event("account.add", "alice"))
	})
	got, err := f.Account(f.ctx, "alice")
	must(t, err)
	equal(t, got, first)
	oneWins(t, together(16, func(int) error {
		return f.AddAccount(f.ctx, enroll.Account{Name: "bob"}, f.event("account.add", "bob"))
	}), enroll.ErrExists)
}

func testAccountNotFound(t *testing.T, f *fixture) {
	f.account(t, "alice")
	for _, name := range []string{"bob", "alic", "alicee", ""} {
		_, err := f.Account(f.ctx, name)
		fails(t, err, enroll.ErrNotFound)
	}
	f.unchanged(t, enroll.ErrNotFound, func() error {
		_, err := f.ChangeAccount(f.ctx, "bob", func(*enroll.Account) error { return nil }, f.event("account.change", "bob"))
		return err
	})
	f.unchanged(t, enroll.ErrNotFound, func() error {
		return f.RemoveAccount(f.ctx, "bob", f.event("account.remove", "bob"))
	})
}

func testChangeAccount(t *testing.T, f *fixture) {
	a := f.account(t, "alice")
	a.Disabled, a.PasswordHash, a.Profiles = true, "", []string{"other"}
	got, err := f.ChangeAccount(f.ctx, "alice", func(b *enroll.Account) error {
		b.Disabled, b.PasswordHash, b.Profiles = true, "", []string{"other"}
		return nil
	}, f.event("account.change", "alice"))
	must(t, err)
	equal(t, got, a)
	got, err = f.Account(f.ctx, "alice")
	must(t, err)
	equal(t, got, a)
	events := f.events(t)
	equal(t, events[len(events)-1].Action, "account.change")
}

func testChangeAccountRefused(t *testing.T, f *fixture) {
	a := f.account(t, "alice")
	mine := errors.New("not today")
	f.unchanged(t, mine, func() error {
		_, err := f.ChangeAccount(f.ctx, "alice", func(b *enroll.Account) error {
			b.Disabled = true
			return mine
		}, f.event("account.change", "alice"))
		return err
	})
	_, err := f.ChangeAccount(f.ctx, "alice", func(b *enroll.Account) error {
		b.Name = "bob"
		return nil
	}, f.event("account.change", "alice"))
	if err == nil {
		t.Error("the account's name could be changed")
	}
	got, err := f.Account(f.ctx, "alice")
	must(t, err)
	equal(t, got, a)
}

// Each of many changes at once builds on the one before it: none is lost.
func testChangeAccountAtOnce(t *testing.T, f *fixture) {
	f.account(t, "alice")
	const n = 32
	for _, err := range together(n, func(i int) error {
		_, err := f.ChangeAccount(f.ctx, "alice", func(a *enroll.Account) error {
			a.Profiles = append(a.Profiles, fmt.Sprintf("profile%02d", i))
			return nil
		}, f.event("account.change", "alice"))
		return err
	}) {
		must(t, err)
	}
	got, err := f.Account(f.ctx, "alice")
	must(t, err)
	slices.Sort(got.Profiles)
	equal(t, len(slices.Compact(got.Profiles)), 2+n)
}

func testRemoveAccount(t *testing.T, f *fixture) {
	f.account(t, "alice")
	f.account(t, "alice2")
	spent, unused, other := f.code(t, "alice"), f.code(t, "alice"), f.code(t, "alice2")
	e := f.enrollment("alice")
	e.Code = &spent.Hash
	cert := f.enrolled(t, e)
	must(t, f.RemoveAccount(f.ctx, "alice", f.event("account.remove", "alice")))

	_, err := f.Account(f.ctx, "alice")
	fails(t, err, enroll.ErrNotFound)
	_, err = f.Code(f.ctx, unused.Hash)
	fails(t, err, enroll.ErrNotFound)
	_, err = f.Code(f.ctx, spent.Hash)
	must(t, err)
	_, err = f.Code(f.ctx, other.Hash)
	must(t, err)
	got, err := f.Certificate(f.ctx, cert.Issuer, cert.Serial)
	must(t, err)
	equal(t, got, cert)
	owner, err := f.KeyOwner(f.ctx, cert.KeyID)
	must(t, err)
	equal(t, owner, "alice")
	_, _, err = f.RecordEnrollment(f.ctx, f.enrollment("alice"))
	fails(t, err, enroll.ErrNotFound)
}
