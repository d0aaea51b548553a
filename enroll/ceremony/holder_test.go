//go:build cgo

package ceremony_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"signet/ca"
	"signet/enroll"
	"signet/enroll/ceremony"
	"signet/internal/problem"
	"signet/piv"
	"signet/piv/softcard"
	"signet/piv/yubikey"
)

// A holder is a person with an account, a card and a place for the journal.
type holder struct {
	*authority
	account string
	card    *softcard.Card
	person  *person
	dir     string
}

const password = "correct horse battery"

// newHolder adds an account, and plugs a new card in until the test ends.
func (a *authority) newHolder(t *testing.T, fw softcard.Version, account string, serial uint32) *holder {
	t.Helper()
	return a.holderOf(t, softcard.Config{Firmware: fw, Serial: serial}, account)
}

func (a *authority) holderOf(t *testing.T, cfg softcard.Config, account string) *holder {
	t.Helper()
	cfg.Root = must(sharedRoot())
	must(a.enroller.Accounts().Add(t.Context(), enroll.NewAccount{Name: account, FullName: "Some One", Email: account + "@example.com",
		Password: password, Profiles: []string{"user"}}, "@operator"))
	card, pull := plug(t, cfg)
	t.Cleanup(pull)
	return &holder{authority: a, account: account, card: card, person: &person{pin: "271828", puk: "31415926"},
		dir: filepath.Join(t.TempDir(), "state")}
}

// run opens the card for one command.
func (h *holder) run(ctx context.Context, command func(context.Context, ceremony.Config) (*ceremony.Result, error), adjust ...func(*ceremony.Config)) (*ceremony.Result, error) {
	card, err := yubikey.Open(ctx, h.card.Serial())
	if err != nil {
		return nil, err
	}
	defer card.Close()
	cfg := ceremony.Config{Card: card, UI: h.person, Journal: ceremony.Journal{Dir: h.dir}, CA: h.url, Root: h.hierarchy.Root,
		Holder: func(cert tls.Certificate) ceremony.Renewer { return h.client(enroll.Credentials{}, &cert) },
		Code:   func(code string) ceremony.Authority { return h.client(enroll.Credentials{Code: code}, nil) },
	}
	for _, f := range adjust {
		f(&cfg)
	}
	return command(ctx, cfg)
}

func (h *holder) enroll(ctx context.Context, adjust ...func(*ceremony.Config)) (*ceremony.Result, error) {
	return h.run(ctx, ceremony.Enroll, append(adjust, func(c *ceremony.Config) {
		client := h.client(enroll.Credentials{Account: h.account, Password: password}, nil)
		c.Account, c.Own = client, client
	})...)
}

func force(c *ceremony.Config) { c.Force = true }

// renew is "signet renew"; newKey, --new-key.
func (h *holder) renew(ctx context.Context, slot piv.Slot, newKey bool) (*ceremony.Result, error) {
	return h.run(ctx, func(ctx context.Context, c ceremony.Config) (*ceremony.Result, error) {
		return ceremony.Renew(ctx, c, newKey)
	}, func(c *ceremony.Config) { c.Slot = slot })
}

// issued are the account's certificates, by profile.
func (h *holder) issued(t *testing.T) map[string][]enroll.Record {
	t.Helper()
	out := map[string][]enroll.Record{}
	client := h.client(enroll.Credentials{Account: h.account, Password: password}, nil)
	for _, c := range must(client.Certificates(t.Context())) {
		out[c.Profile] = append(out[c.Profile], c)
	}
	return out
}

// mustHold fails unless each slot has that profile's certificate, of the key in it, in
// force; and no other slot has anything.
func (h *holder) mustHold(t *testing.T, slots map[piv.Slot]string) {
	t.Helper()
	good := map[string]bool{}
	for profile, records := range h.issued(t) {
		for _, c := range records {
			if c.Status == enroll.StatusGood {
				good[profile+" "+c.Serial.String()] = true
			}
		}
	}
	card := must(yubikey.Open(t.Context(), h.card.Serial()))
	defer card.Close()
	for _, s := range piv.Slots() {
		profile, wanted := slots[s]
		cert, err := card.Certificate(t.Context(), s)
		key, keyErr := card.Key(t.Context(), s)
		if !wanted {
			if !errors.Is(err, piv.ErrEmpty) || !errors.Is(keyErr, piv.ErrEmpty) {
				t.Errorf("slot %s is in use: %v, %v", s, err, keyErr)
			}
			continue
		}
		if err != nil || keyErr != nil {
			t.Errorf("slot %s: %v, %v", s, err, keyErr)
			continue
		}
		if fmt.Sprint(key.Public) != fmt.Sprint(cert.PublicKey) {
			t.Errorf("slot %s has another key than its certificate's", s)
		}
		if serial, _ := ca.SerialOf(cert.SerialNumber); profile != "" && !good[profile+" "+serial.String()] {
			t.Errorf("slot %s has no certificate of %s that is in force", s, profile)
		}
	}
}

// generated is how many keys the card has made, and said so.
func (h *holder) generated() (n int) {
	for _, e := range h.card.Trace() {
		if e.INS == 0x47 && e.SW == 0x9000 {
			n++
		}
	}
	return n
}

// imported is how many certificates were written to the card.
func (h *holder) imported(t *testing.T) (n int) {
	t.Helper()
	card := must(yubikey.Open(t.Context(), h.card.Serial()))
	defer card.Close()
	for _, s := range piv.Slots() {
		if _, err := card.Certificate(t.Context(), s); !errors.Is(err, piv.ErrEmpty) {
			n++
		}
	}
	return n
}

// newCards returns what plugs in a new card, the same one each time: its attestation key takes
// long to make.
func newCards(t *testing.T, fw softcard.Version) func(t *testing.T) softcard.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "card.json")
	card, pull := plug(t, softcard.Config{Path: path, Firmware: fw, Serial: 1001, Root: must(sharedRoot())})
	serial := card.Serial()
	c := must(yubikey.Open(t.Context(), serial))
	if err := c.UseManagementKey(t.Context(), "123456"); err != nil {
		t.Fatal(err)
	}
	must(c.Generate(t.Context(), piv.SlotAuthentication, piv.KeySpec{Algorithm: piv.P256, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever}))
	must(c.Attest(t.Context(), piv.SlotAuthentication))
	if err := errors.Join(c.Reset(t.Context()), c.Close()); err != nil {
		t.Fatal(err)
	}
	pull()
	state := must(os.ReadFile(path))
	return func(t *testing.T) softcard.Config {
		t.Helper()
		path := filepath.Join(t.TempDir(), "card.json")
		if err := os.WriteFile(path, state, 0o600); err != nil {
			t.Fatal(err)
		}
		return softcard.Config{Path: path}
	}
}

// stranger has another program make a key.
func (h *holder) stranger(t *testing.T, s piv.Slot) {
	t.Helper()
	card := must(yubikey.Open(t.Context(), h.card.Serial()))
	defer card.Close()
	if err := card.UseManagementKey(t.Context(), h.person.pin); err != nil {
		t.Fatal(err)
	}
	must(card.Generate(t.Context(), s, piv.KeySpec{Algorithm: piv.P256, PINPolicy: piv.PINOnce, TouchPolicy: piv.TouchNever}))
}

func refused(err error, rule string) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Rule == rule
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
