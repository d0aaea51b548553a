//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"signet/enroll"
	"signet/piv/softcard"
)

// escrowDesk is a desk whose CA keeps PUKs.
func escrowDesk(t *testing.T, fw softcard.Version) desk {
	t.Helper()
	w, err := newWorld(t.Cleanup, fw, plan{PlanConfig: enroll.PlanConfig{PUKEscrow: true}})
	if err != nil {
		t.Fatal(err)
	}
	return deskIn(t, w)
}

func (d desk) enrollKept() *exec.Cmd {
	return d.run("enroll", "--ca", d.url, "--fingerprint", enroll.Fingerprint(d.ca.Root),
		"--user", "alice", "--password-file", "password", "--pin-file", "pin")
}

func (d desk) unblock() *exec.Cmd {
	return d.run("card", "unblock", "--from-ca", "--user", "alice", "--password-file", "password", "--pin-file", "pin")
}

// approving has an officer approve whatever is asked for, until the test ends.
func (d desk) approving(t *testing.T) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		d.approveUntil(stop)
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

// mustKnow fails unless somebody knows the card's PUK.
func (d desk) mustKnow(t *testing.T) {
	t.Helper()
	if ok, err := d.known(d.cards[0]); err != nil || !ok {
		t.Errorf("nobody knows the card's PUK (%v)", err)
	}
}

// mustKeep fails unless the CA keeps the card's PUK and no other.
func (d desk) mustKeep(t *testing.T) {
	t.Helper()
	puks, err := d.keptPUKs(d.cards[0].Serial())
	if err != nil || len(puks) != 1 || !takesPUK(d.cards[0], puks[0]) {
		t.Errorf("the CA keeps %d PUKs, and the card doesn't take the first (%v)", len(puks), err)
	}
}

// at are the places of the commands that set a PIN or PUK among those the card got
// from the first on; with SIGNET_TEST_KILL=1, those of all.
func at(card *softcard.Card, first int) (places []int) {
	for i, e := range card.Trace()[first:] {
		if e.INS == 0x24 || e.INS == 0x2c || everyNth() == 1 {
			places = append(places, i+1)
		}
	}
	return places
}

// TestSetUpKilledAtThePUK kills "signet enroll" as the card gets its PUK and its PIN, with
// that done or not: there is always somebody who knows the PUK, and the next run ends
// with the CA keeping it. 5.2.4 is a card that doesn't tell whether it has the factory's.
func TestSetUpKilledAtThePUK(t *testing.T) {
	for _, fw := range []softcard.Version{{5, 4, 3}, {5, 2, 4}} {
		d := escrowDesk(t, fw)
		d.must(t, d.enrollKept())
		for _, n := range at(d.cards[0], 0) {
			for _, done := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v, command %d, done %v", fw, n, done), func(t *testing.T) {
					d := escrowDesk(t, fw)
					d.killed(t, d.enrollKept(), n, done)
					d.mustKnow(t)
					// Where the first run was through, what it did is kept.
					out, err := d.enrollKept().CombinedOutput()
					if err != nil && !strings.Contains(string(out), "holds a certificate already") {
						t.Fatalf("the next run: %v\n%s", err, out)
					}
					d.mustKeep(t)
					d.must(t, d.run("status"))
				})
			}
		}
	}
}

// TestUnblockKilledAtThePUK does the same to "signet card unblock --from-ca".
func TestUnblockKilledAtThePUK(t *testing.T) {
	d := escrowDesk(t, softcard.Version{5, 4, 3})
	d.must(t, d.enrollKept())
	before := d.cards[0].Count()
	d.approving(t)
	d.must(t, d.unblock())
	for _, n := range at(d.cards[0], before) {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("command %d, done %v", n, done), func(t *testing.T) {
				d := escrowDesk(t, softcard.Version{5, 4, 3})
				d.must(t, d.enrollKept())
				d.approving(t)
				d.killed(t, d.unblock(), n, done)
				d.mustKnow(t)
				d.ends(t)
			})
		}
	}
}

// ends has the command run again, which must end well, whether it needs an officer again or not.
func (d desk) ends(t *testing.T) {
	t.Helper()
	d.must(t, d.unblock())
	d.mustKeep(t)
	d.must(t, d.run("renew", "--pin-file", "pin"))
	if left := d.journals(); len(left) > 0 {
		t.Errorf("the journal stayed: %v", left)
	}
}

// TestKilledAtTheCA kills the commands at each of their calls about PUKs, before the CA
// hears of it and after it has done it.
func TestKilledAtTheCA(t *testing.T) {
	for _, command := range []struct {
		name  string
		run   func(desk) *exec.Cmd
		calls []string
	}{
		{"enroll", desk.enrollKept, []string{"GET /puk", "PUT /puk", "POST /puk/confirmation"}},
		{"unblock", desk.unblock, []string{"GET /puk", "POST /puk/requests", "GET /puk/requests/1", "PUT /puk", "POST /puk/requests/1/release", "POST /puk/confirmation"}},
	} {
		for _, call := range command.calls {
			for _, done := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, done %v", command.name, call, done), func(t *testing.T) {
					d := escrowDesk(t, softcard.Version{5, 4, 3})
					if command.name == "unblock" {
						d.must(t, d.enrollKept())
						d.approving(t)
					}
					d.killedAtCall(t, command.run(d), call, done)
					d.mustKnow(t)
					if command.name == "unblock" {
						d.ends(t)
						return
					}
					d.must(t, d.enrollKept())
					d.mustKeep(t)
					d.must(t, d.run("status"))
				})
			}
		}
	}
}

// killedAtCall runs cmd, which is killed when the CA gets that call.
func (d desk) killedAtCall(t *testing.T, cmd *exec.Cmd, call string, done bool) {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	hit := false
	d.before.Store(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		if hit || r.Method != method || !strings.HasSuffix(r.URL.Path, path) {
			next.ServeHTTP(rw, r)
			return
		}
		hit = true
		if done {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		_ = cmd.Process.Kill()
		panic(http.ErrAbortHandler)
	})
	defer d.before.Store(func(next http.Handler, rw http.ResponseWriter, r *http.Request) { next.ServeHTTP(rw, r) })
	if err := cmd.Run(); err == nil || !hit {
		t.Fatalf("it was not killed at %s: %v", call, err)
	}
	d.cards[0].PowerCycle()
}

// A PUK that the CA keeps, and that was never presented to the card, is none to spend a try on: an earlier
// run was killed before, and the one in force can't be opened.
func TestNoTryIsSpentOnAPUKThatTheCardNeverHad(t *testing.T) {
	d := escrowDesk(t, softcard.Version{5, 4, 3})
	d.must(t, d.enrollKept())
	d.approving(t)
	d.killedAtCall(t, d.unblock(), "PUT /puk", true)
	d.before.Store(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		var released enroll.ReleasedPUK
		if strings.HasSuffix(r.URL.Path, "/release") && json.Unmarshal(body, &released) == nil && len(released.PUKs) > 1 {
			released.PUKs = released.PUKs[1:]
			body, _ = json.Marshal(released)
		}
		rw.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(body)
	})
	out, err := d.unblock().CombinedOutput()
	if err == nil || !strings.Contains(string(out), "No PUK try was spent, but request 1 is used up") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _ := d.run("card", "info").CombinedOutput(); !strings.Contains(string(out), "PUK tries left: 3") {
		t.Errorf("%s", out)
	}
	d.before.Store(func(next http.Handler, rw http.ResponseWriter, r *http.Request) { next.ServeHTTP(rw, r) })
	d.ends(t)
}
