package enroll

import (
	"context"
	"slices"
	"strconv"
	"time"

	"signet/ca"
	"signet/internal/audit"
)

// A Leaving says what becomes of what hangs on an account that is disabled or removed.
type Leaving struct {
	// Revoke is the reason with which its certificates are revoked; nil keeps them, its
	// codes, its cards and its allowances as they are.
	Revoke *ca.Reason
	// Remove deletes the account.
	Remove bool
}

// Leave keeps the account from logging in and enrolling, or deletes it, and with it, if so
// wanted, all that hangs on it: certificates in force or on hold are revoked, unused codes
// deleted, allowances ended, and its cards go into the inventory, but for those that are lost
// or retired. What has no one without the account goes with it in any case: its codes, and its
// cards on which no certificates of its stand. [ErrNotFound] where there is no such account, [ErrTooMany].
func (s *Holdings) Leave(ctx context.Context, account string, l Leaving, by string, dry bool) (Fall, error) {
	if l.Revoke != nil {
		if err := checkReason(*l.Revoke); err != nil {
			return Fall{}, err
		}
	}
	if account == "" {
		return Fall{}, input(checkName(account))
	}
	return s.step(ctx, Holder{Account: account}, by, dry, func(f *fate) error {
		a := *f.Account
		detail := map[string]string{}
		if l.Revoke != nil {
			f.fallFrom(&a, *l.Revoke)
			detail["reason"], detail["revoked"] = l.Revoke.String(), strconv.Itoa(len(f.fall.Revoked))
		} else if l.Remove {
			f.fallWith(&a)
		}
		f.fall.Again = a.Disabled && !l.Remove && f.decision.unchanged()
		if f.fall.Again {
			return nil
		}
		action := "account.disable"
		if a.Disabled = true; l.Remove {
			action, f.decision.Remove, f.decision.Account = "account.remove", a.Name, nil
		} else {
			f.decision.Account = &a
		}
		e := audit.Event{Time: f.at, Actor: f.by, Action: action, Object: a.Name, Detail: detail}
		f.decision.Events = append([]audit.Event{e}, f.decision.Events...)
		return nil
	})
}

// fallFrom has all that hangs on the account a fall.
func (f *fate) fallFrom(a *Account, reason ca.Reason) {
	for _, c := range f.Certificates {
		f.take(c, reason)
	}
	f.dropCodes(a)
	f.returnCards(func(Card) bool { return true })
	f.disallow(func(Allowance) bool { return true })
	a.Temporary = nil
}

// fallWith has fall what can't be without the account, while its certificates stand.
func (f *fate) fallWith(a *Account) {
	f.dropCodes(a)
	f.returnCards(func(card Card) bool {
		return !slices.ContainsFunc(f.Certificates, func(c ca.Certificate) bool { return c.Card != nil && c.Card.Serial == card.Serial })
	})
}

func (f *fate) dropCodes(a *Account) {
	for _, c := range f.Codes {
		f.decision.Codes = append(f.decision.Codes, c.Hash)
		f.fall.Codes = append(f.fall.Codes, c)
		f.decision.Events = append(f.decision.Events, audit.Event{
			Time: f.at, Actor: f.by, Action: "code.remove", Object: a.Name,
			Detail: map[string]string{"profile": c.Profile, "expires": c.Expires.Format(time.RFC3339)},
		})
	}
}

// returnCards has those of the account's cards that are assigned, and that which chooses, go into the inventory.
func (f *fate) returnCards(which func(Card) bool) {
	for _, c := range f.Cards {
		if c.State != CardAssigned || !which(c) {
			continue
		}
		e := cardEvent("card.return", c, f.at, f.by)
		c.State, c.Account, c.Changed = CardInventory, "", f.at.Truncate(time.Second)
		e.Detail["state"] = string(c.State)
		f.decision.Cards = append(f.decision.Cards, c)
		f.fall.Cards = append(f.fall.Cards, c)
		f.decision.Events = append(f.decision.Events, e)
	}
}
