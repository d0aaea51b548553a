//go:build cgo

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/enroll"
	"signet/piv/softcard"
)

// everyNth of the commands that a card gets, the client is killed at. All of them, by
// SIGNET_TEST_KILL=1, take a minute.
func everyNth() int {
	if os.Getenv("SIGNET_TEST_KILL") != "" {
		return 1
	}
	return 7
}

// TestKilledAnywhere kills "signet enroll" (SIGKILL) at one command to the card after
// another, with the command done or not. The next run must end well, with one
// certificate issued, and the card's key the one in it.
func TestKilledAnywhere(t *testing.T) {
	total := commandsOf(t)
	for n := 1; n <= total; n += everyNth() {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d of %d, done %v", n, total, done), func(t *testing.T) { killAt(t, n, done) })
		}
	}
}

// commandsOf counts the commands of an enrollment that nobody disturbs.
func commandsOf(t *testing.T) int {
	d := newDesk(t)
	if out, err := d.enroll().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return d.cards[0].Count()
}

func killAt(t *testing.T, n int, done bool) {
	d := newDesk(t)
	d.killed(t, d.enroll(), n, done)
	// Where the first run was through, what it did is kept.
	out, err := d.enroll().CombinedOutput()
	if err != nil && !strings.Contains(string(out), "holds a certificate already") {
		t.Fatalf("the next run: %v\n%s", err, out)
	}
	d.check(t)
}

// killed runs cmd and kills it at the n-th command that the card gets.
func (d desk) killed(t *testing.T, cmd *exec.Cmd, n int, done bool) {
	t.Helper()
	card := d.cards[0]
	// The delay is how long there is to kill it. Then the command is done all the
	// same, or refused as by a card that lost power.
	fault := softcard.Fault{Nth: n, Delay: 100 * time.Millisecond}
	if !done {
		fault.Do, fault.SW = softcard.Fail, 0x6f00
	}
	card.Inject(fault)
	before := card.Count()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); card.Count() < before+n; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the command never came")
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	card.PowerCycle()
}

// TestSetKilledAnywhere does the same to an enrollment for three slots: one set is issued, and
// no second one.
func TestSetKilledAnywhere(t *testing.T) {
	set := func(t *testing.T) desk {
		w, err := newWorld(t.Cleanup, softcard.Version{5, 7, 1}, plan{with: []string{"signing", "encryption"}})
		if err != nil {
			t.Fatal(err)
		}
		return deskIn(t, w)
	}
	d := set(t)
	d.must(t, d.enroll())
	total := d.cards[0].Count()
	for n := 1; n <= total; n += everyNth() {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d of %d, done %v", n, total, done), func(t *testing.T) {
				d := set(t)
				d.killed(t, d.enroll(), n, done)
				out, err := d.enroll().CombinedOutput()
				if err != nil && !strings.Contains(string(out), "is in use already") {
					t.Fatalf("the next run: %v\n%s", err, out)
				}
				if n, err := d.issued(); err != nil || n != 3 {
					t.Errorf("%d certificates were issued, want 3 (%v)", n, err)
				}
				d.must(t, d.run("status"))
				if out, err := d.run("card", "info").CombinedOutput(); err != nil || strings.Count(string(out), "Slot ") != 3 {
					t.Errorf("three slots were to be in use: %v\n%s", err, out)
				}
				if left := d.journals(); len(left) > 0 {
					t.Errorf("the journal stayed: %v", left)
				}
			})
		}
	}
}

// TestSetupKilledAnywhere does the same to "signet card setup". That a card loses its
// power at each command is in enroll/ceremony.
func TestSetupKilledAnywhere(t *testing.T) {
	d := newDesk(t)
	setup := []string{"card", "setup", "--pin-file", "pin", "--puk-file", "puk"}
	d.must(t, d.run(setup...))
	total := d.cards[0].Count()
	for n := 1; n <= total; n += everyNth() {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d of %d, done %v", n, total, done), func(t *testing.T) {
				d := newDesk(t)
				d.killed(t, d.run(setup...), n, done)
				d.must(t, d.run(setup...))
				out, err := d.run("card", "info").CombinedOutput()
				if err != nil || strings.Contains(string(out), "factory") || !strings.Contains(string(out), "protected by the PIN") ||
					strings.Contains(string(out), "none") || strings.Contains(string(out), "tries left: 2") {
					t.Errorf("card info: %v\n%s", err, out)
				}
				d.must(t, d.run("card", "unblock", "--pin-file", "pin", "--puk-file", "puk"))
				if left := d.journals(); len(left) > 0 {
					t.Errorf("the journal stayed: %v", left)
				}
			})
		}
	}
}

// TestRenewalKilledAnywhere does the same to "signet renew --new-key", where the old
// key is gone in the middle.
func TestRenewalKilledAnywhere(t *testing.T) { killRenewals(t, softcard.Version{5, 4, 3}) }

// TestSwapKilledAnywhere does the same where the card moves keys: the old key and its
// certificate are of use until the new ones are on the card.
func TestSwapKilledAnywhere(t *testing.T) { killRenewals(t, softcard.Version{5, 7, 1}) }

func killRenewals(t *testing.T, fw softcard.Version) {
	d := newDeskWith(t, fw)
	d.must(t, d.enroll())
	before := d.cards[0].Count()
	d.must(t, d.run("renew", "--new-key", "--pin-file", "pin"))
	total := d.cards[0].Count() - before
	for n := 1; n <= total; n += everyNth() {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d of %d, done %v", n, total, done), func(t *testing.T) { killRenewalAt(t, fw, n, done) })
		}
	}
}

func killRenewalAt(t *testing.T, fw softcard.Version, n int, done bool) {
	d := newDeskWith(t, fw)
	d.must(t, d.enroll())
	d.killed(t, d.run("renew", "--new-key", "--pin-file", "pin"), n, done)
	issued := 2
	if n, _ := d.issued(); n == 2 && len(d.journals()) == 0 {
		issued = 3 // it was through, and this is another renewal
	}
	d.must(t, d.run("renew", "--new-key", "--pin-file", "pin"))
	if n, err := d.issued(); err != nil || n != issued {
		t.Errorf("%d certificates were issued, want %d (%v)", n, issued, err)
	}
	d.must(t, d.run("status"))
	if out, err := d.run("card", "info").CombinedOutput(); err != nil || strings.Count(string(out), "Slot ") != 1 {
		t.Errorf("one slot was to be in use: %v\n%s", err, out)
	}
}

func (d desk) must(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args[1:], err, out)
	}
}

func (d desk) journals() []string {
	left, _ := filepath.Glob(filepath.Join(d.dir, "state", "signet", "card-*.json"))
	return left
}

// A desk is a world with the person's files.
type desk struct{ *world }

func newDesk(t *testing.T) desk { return newDeskWith(t, softcard.Version{5, 4, 3}) }

func newDeskWith(t *testing.T, fw softcard.Version) desk {
	t.Helper()
	w, err := newWorld(t.Cleanup, fw, plan{})
	if err != nil {
		t.Fatal(err)
	}
	return deskIn(t, w)
}

func deskIn(t *testing.T, w *world) desk {
	t.Helper()
	for name, text := range map[string]string{"password": password, "pin": "271828", "puk": "31415926"} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return desk{w}
}

func (d desk) run(args ...string) *exec.Cmd {
	cmd := exec.Command("signet", args...)
	cmd.Dir, cmd.Env = d.dir, append(os.Environ(), d.env()...)
	return cmd
}

func (d desk) enroll() *exec.Cmd {
	return d.run("enroll", "--ca", d.url, "--fingerprint", enroll.Fingerprint(d.ca.Root),
		"--user", "alice", "--password-file", "password", "--pin-file", "pin", "--puk-file", "puk")
}

func (d desk) check(t *testing.T) {
	t.Helper()
	if n, err := d.issued(); err != nil || n != 1 {
		t.Errorf("%d certificates were issued, want 1 (%v)", n, err)
	}
	if out, err := d.run("status").CombinedOutput(); err != nil {
		t.Errorf("status: %v\n%s", err, out)
	}
	out, err := d.run("card", "info").CombinedOutput()
	if err != nil || strings.Contains(string(out), "factory") {
		t.Errorf("card info: %v\n%s", err, out)
	}
	if left := d.journals(); len(left) > 0 {
		t.Errorf("the journal stayed: %v", left)
	}
}
