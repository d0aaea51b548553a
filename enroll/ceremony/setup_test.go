//go:build cgo

package ceremony_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/enroll/ceremony"
	"signet/piv"
	"signet/piv/softcard"
	"signet/piv/yubikey"
)

// service stands in for pcscd. There is one, since libpcsclite reads its socket's
// name once.
var service *softcard.PCSC

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pcsc")
	if err != nil {
		panic(err)
	}
	socket := filepath.Join(dir, "s")
	os.Setenv("PCSCLITE_CSOCK_NAME", socket)
	if service, err = softcard.ListenPCSC(socket); err != nil {
		panic(err)
	}
	go service.Serve(context.Background())
	code := m.Run()
	_ = service.Close()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// person answers what a set-up asks, and keeps what is said.
type person struct {
	pin, puk string
	notes    []string
	steps    []ceremony.Step
	// before is called as a step begins.
	before func(ceremony.Step)
	// replace answers whether what is in the slots may go.
	replace func([]ceremony.Occupied) error
}

func (p *person) Step(s ceremony.Step) {
	p.steps = append(p.steps, s)
	if p.before != nil {
		p.before(s)
	}
}
func (p *person) Note(text string) { p.notes = append(p.notes, text) }
func (p *person) Touch()           {}
func (p *person) PIN(_ context.Context, _ int, refused error) (string, error) {
	return p.pin, refused
}
func (p *person) NewPIN(_ context.Context, refused error) (string, error) { return p.pin, refused }
func (p *person) NewPUK(_ context.Context, refused error) (string, error) { return p.puk, refused }
func (p *person) PUK(_ context.Context, _ int, refused error) (string, error) {
	return p.puk, refused
}
func (p *person) Replace(_ context.Context, all []ceremony.Occupied) error {
	if p.replace != nil {
		return p.replace(all)
	}
	return errors.New("there is nothing to replace")
}

// plug puts a new card into the reader; pull takes it away for good.
func plug(t *testing.T, cfg softcard.Config) (card *softcard.Card, pull func()) {
	t.Helper()
	card, err := softcard.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.Add(card); err != nil {
		t.Fatal(err)
	}
	return card, func() { service.Remove(card); _ = card.Close() }
}

// setUp is one run of "signet card setup".
func setUp(ctx context.Context, p *person, dir string) (*ceremony.Setup, error) {
	c, err := yubikey.Open(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return ceremony.SetUp(ctx, ceremony.Config{Card: c, UI: p, Journal: ceremony.Journal{Dir: dir}})
}

// TestSetUpCutAnywhere takes a card's power away at each command of a set-up in turn,
// done or not. The next run ends well: nothing of the factory's is left, no try is
// spent, and the card is managed by its PIN.
func TestSetUpCutAnywhere(t *testing.T) {
	for _, fw := range []softcard.Version{{5, 4, 3}, {5, 7, 1}, {5, 2, 7}} {
		total := commandsOfSetUp(t, fw)
		for n := 1; n <= total; n++ {
			for _, when := range []softcard.Action{softcard.UnplugBefore, softcard.UnplugAfter} {
				t.Run(fmt.Sprintf("%s %d of %d %s", fw, n, total, when), func(t *testing.T) { cutAt(t, fw, n, when) })
			}
		}
	}
}

func commandsOfSetUp(t *testing.T, fw softcard.Version) int {
	card, pull := plug(t, softcard.Config{Firmware: fw, Serial: 1001})
	defer pull()
	if _, err := setUp(t.Context(), &person{pin: "271828", puk: "31415926"}, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	return card.Count()
}

func cutAt(t *testing.T, fw softcard.Version, n int, when softcard.Action) {
	dir := filepath.Join(t.TempDir(), "state")
	card, pull := plug(t, softcard.Config{Firmware: fw, Serial: 1001})
	defer pull()
	card.Inject(softcard.Fault{Nth: n, Do: when})
	if _, err := setUp(t.Context(), &person{pin: "271828", puk: "31415926"}, dir); err != nil &&
		!errors.Is(err, piv.ErrRemoved) && !errors.Is(err, piv.ErrNoCard) {
		t.Fatalf("the run that was cut: %v", err)
	}
	card.ClearFaults()
	card.Plug()
	// The person has noted both PUKs that were given.
	done, err := setUp(t.Context(), &person{pin: "271828", puk: "16180339"}, dir)
	if err != nil {
		t.Fatalf("the next run: %v", err)
	}
	if !done.Management.Protected || done.Management.Factory || !done.Identifiers.CHUID || !done.Identifiers.CCC {
		t.Errorf("%+v", done)
	}
	wellSetUp(t, fw, 3)
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("the journal stayed: %v", left)
	}
}

// wellSetUp looks at the card for what the person must be able to rely on.
func wellSetUp(t *testing.T, fw softcard.Version, pukTries int) {
	t.Helper()
	ctx := t.Context()
	c, err := yubikey.Open(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if tells := (piv.Version(fw)); !tells.Less(piv.Version{5, 3, 0}) {
		if left, known, err := c.PUKTries(ctx); err != nil || !known || left != pukTries {
			t.Errorf("%d PUK tries are left, %v, %v", left, known, err)
		}
		if f, err := c.FactorySecrets(ctx); err != nil || f.PIN || f.PUK {
			t.Errorf("the factory's: %+v, %v", f, err)
		}
	}
	if err := c.UseManagementKey(ctx, "271828"); err != nil {
		t.Errorf("the management key: %v", err)
	}
	if factory, err := c.FactoryManagementKey(ctx); factory || err != nil {
		t.Errorf("the factory's management key: %v, %v", factory, err)
	}
	first := c.ChangePUK(ctx, "31415926", "27182845")
	second := c.ChangePUK(ctx, "16180339", "27182845")
	if (first == nil) == (second == nil) {
		t.Errorf("of the two PUKs given, %v and %v", first, second)
	}
}

// Setting the retries puts the factory's PIN and PUK back; pulled out right then, the card has
// a management key of its own and secrets that everybody knows. The next run replaces them.
func TestSetUpAfterRetriesWereSet(t *testing.T) {
	for _, fw := range []softcard.Version{{5, 4, 3}, {5, 7, 1}} {
		t.Run(fw.String(), func(t *testing.T) {
			_, pull := plug(t, softcard.Config{Firmware: fw, Serial: 1001})
			defer pull()
			ctx, p := t.Context(), &person{pin: "271828", puk: "31415926"}
			if _, err := setUp(ctx, p, t.TempDir()); err != nil {
				t.Fatal(err)
			}
			c, err := yubikey.Open(ctx, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.UseManagementKey(ctx, p.pin), c.SetRetries(ctx, p.pin, 5, 3), c.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := setUp(ctx, p, t.TempDir()); err != nil {
				t.Fatal(err)
			}
			wellSetUp(t, fw, 3)
		})
	}
}

// Another card in the reader, between any two steps, is left as it is.
func TestSetUpOfACardThatIsChanged(t *testing.T) {
	for _, step := range []ceremony.Step{ceremony.StepUnlock, ceremony.StepSecure, ceremony.StepManage, ceremony.StepIdentify} {
		t.Run(string(step), func(t *testing.T) {
			_, pull := plug(t, softcard.Config{Serial: 1001})
			var other *softcard.Card
			p := &person{pin: "271828", puk: "31415926"}
			p.before = func(s ceremony.Step) {
				if s == step {
					pull()
					var done func()
					other, done = plug(t, softcard.Config{Serial: 1002})
					t.Cleanup(done)
				}
			}
			if _, err := setUp(t.Context(), p, t.TempDir()); !errors.Is(err, piv.ErrOtherCard) && !errors.Is(err, piv.ErrRemoved) {
				t.Errorf("%v", err)
			}
			for _, e := range other.Trace() {
				if strings.ContainsRune("\x20\x24\x2c\x47\x87\xdb\xff", rune(e.INS)) {
					t.Errorf("the other card got %+v", e)
				}
			}
		})
	}
}

// What has no room is left out where it isn't needed.
func TestSetUpOfAFullCard(t *testing.T) {
	card, pull := plug(t, softcard.Config{Serial: 1001})
	defer pull()
	p := &person{pin: "271828", puk: "31415926"}
	p.before = func(s ceremony.Step) {
		if s == ceremony.StepIdentify {
			card.Inject(softcard.Fault{INS: 0xdb, Do: softcard.Fail, SW: 0x6a84, Repeat: true})
		}
	}
	done, err := setUp(t.Context(), p, t.TempDir())
	if err != nil || !done.Management.Protected || done.Identifiers.CHUID {
		t.Errorf("%+v, %v", done, err)
	}
	if !strings.Contains(strings.Join(p.notes, "\n"), "there is no room") {
		t.Errorf("it said %q", p.notes)
	}
}
