//go:build cgo

package ceremony_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"signet/enroll/ceremony"
	"signet/piv"
	"signet/piv/softcard"
	"signet/piv/yubikey"
)

// setUpTries is one run of "signet card setup --pin-tries --puk-tries".
func setUpTries(ctx context.Context, p *person, dir string, tries ceremony.Tries) error {
	c, err := yubikey.Open(ctx, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = ceremony.SetUp(ctx, ceremony.Config{Card: c, UI: p, Journal: ceremony.Journal{Dir: dir}, Tries: tries})
	return err
}

var fiveAndEight = ceremony.Tries{PIN: 5, PUK: 8}

// TestTriesCutAnywhere takes a card's power away at each command of a set-up that sets the
// numbers of tries. They put the factory's PIN and PUK back: no cut leaves those on a card that
// had others, nor a PUK that nobody was given.
func TestTriesCutAnywhere(t *testing.T) {
	for _, fw := range []softcard.Version{{5, 4, 3}, {5, 7, 1}, {5, 2, 7}} {
		card, pull := plug(t, softcard.Config{Firmware: fw, Serial: 1001})
		if err := setUpTries(t.Context(), &person{pin: "271828", puk: "31415926"}, t.TempDir(), fiveAndEight); err != nil {
			t.Fatal(err)
		}
		total := card.Count()
		pull()
		for n := 1; n <= total; n++ {
			for _, when := range []softcard.Action{softcard.UnplugBefore, softcard.UnplugAfter} {
				t.Run(fmt.Sprintf("%s %d of %d %s", fw, n, total, when), func(t *testing.T) { cutTriesAt(t, fw, n, when) })
			}
		}
	}
}

func cutTriesAt(t *testing.T, fw softcard.Version, n int, when softcard.Action) {
	dir := filepath.Join(t.TempDir(), "state")
	card, pull := plug(t, softcard.Config{Firmware: fw, Serial: 1001})
	defer pull()
	card.Inject(softcard.Fault{Nth: n, Do: when})
	if err := setUpTries(t.Context(), &person{pin: "271828", puk: "31415926"}, dir, fiveAndEight); err != nil &&
		!errors.Is(err, piv.ErrRemoved) && !errors.Is(err, piv.ErrNoCard) {
		t.Fatalf("the run that was cut: %v", err)
	}
	card.ClearFaults()
	card.Plug()
	if err := setUpTries(t.Context(), &person{pin: "271828", puk: "16180339"}, dir, fiveAndEight); err != nil {
		t.Fatalf("the next run: %v", err)
	}
	hasTries(t, fiveAndEight)
	wellSetUp(t, fw, fiveAndEight.PUK)
}

// hasTries looks at a card whose PIN was not given wrong since.
func hasTries(t *testing.T, want ceremony.Tries) {
	t.Helper()
	c, err := yubikey.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := c.PINTries(t.Context()); err != nil || n != want.PIN {
		t.Errorf("%d PIN tries, %v, want %d", n, err, want.PIN)
	}
	if n, known, err := c.PUKTries(t.Context()); err != nil || known && n != want.PUK {
		t.Errorf("%d PUK tries, %v, want %d", n, err, want.PUK)
	}
}

// One of the two alone, and what they are already.
func TestTriesOfOneSecret(t *testing.T) {
	for want, given := range map[ceremony.Tries]ceremony.Tries{
		{PIN: 6, PUK: 3}: {PIN: 6}, {PIN: 3, PUK: 6}: {PUK: 6}, {PIN: 3, PUK: 3}: {PIN: 3, PUK: 3},
	} {
		card, pull := plug(t, softcard.Config{Serial: 1001})
		if err := setUpTries(t.Context(), &person{pin: "271828", puk: "31415926"}, t.TempDir(), given); err != nil {
			t.Error(err)
		}
		set := false
		for _, e := range card.Trace() {
			set = set || e.INS == 0xfa
		}
		if set != (want != ceremony.Tries{PIN: 3, PUK: 3}) {
			t.Errorf("%+v: the card was told: %v", given, set)
		}
		hasTries(t, want)
		pull()
	}
}

// A card that has a PIN, PUK or management key of its own keeps its numbers, and a card that can't
// set any is set up all the same.
func TestTriesOfACardThatIsNotNew(t *testing.T) {
	change := func(f func(context.Context, piv.Card) error) func(*softcard.Card) error {
		return func(*softcard.Card) error {
			c, err := yubikey.Open(t.Context(), 0)
			if err != nil {
				return err
			}
			defer c.Close()
			return f(t.Context(), c)
		}
	}
	for name, prepare := range map[string]func(*softcard.Card) error{
		"its own PIN": change(func(ctx context.Context, c piv.Card) error { return c.ChangePIN(ctx, "123456", "271828") }),
		"its own PUK": change(func(ctx context.Context, c piv.Card) error { return c.ChangePUK(ctx, "12345678", "31415926") }),
		"its own management key": change(func(ctx context.Context, c piv.Card) error {
			return c.NewManagementKey(ctx, "123456")
		}),
		"it can't": func(c *softcard.Card) error {
			c.Inject(softcard.Fault{INS: 0xfa, Do: softcard.Fail, SW: 0x6d00, Repeat: true})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			card, pull := plug(t, softcard.Config{Serial: 1001})
			defer pull()
			if err := prepare(card); err != nil {
				t.Fatal(err)
			}
			p := &person{pin: "271828", puk: "31415926"}
			if err := setUpTries(t.Context(), p, t.TempDir(), fiveAndEight); err != nil {
				t.Fatal(err)
			}
			hasTries(t, ceremony.Tries{PIN: 3, PUK: 3})
			if !strings.Contains(strings.Join(p.notes, "\n"), "numbers of tries stay as they are") {
				t.Errorf("it said %q", p.notes)
			}
		})
	}
}
