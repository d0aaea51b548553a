package enroll_test

import (
	"errors"
	"sync"
	"testing"

	"signet/ca"
	"signet/enroll"
	"signet/internal/problem"
	"signet/piv"
	"signet/piv/softcard"
)

// submitAtOnce hands in each at the same time, and counts what came of them: certificates, and
// refusals by their rule.
func submitAtOnce(t *testing.T, clients []*enroll.Client, all [][]enroll.Request) (serials map[ca.Serial]bool, rules map[string]int) {
	t.Helper()
	serials, rules = map[ca.Serial]bool{}, map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range all {
		wg.Go(func() {
			<-start
			issued, err := clients[i%len(clients)].Submit(ctx, all[i]...)
			mu.Lock()
			defer mu.Unlock()
			var p *problem.Problem
			switch {
			case errors.As(err, &p):
				rules[p.Rule]++
			case err != nil:
				t.Error(err)
			default:
				serials[issued.Serial] = true
				for _, with := range issued.With {
					serials[with.Serial] = true
				}
			}
		})
	}
	close(start)
	wg.Wait()
	return serials, rules
}

// Of sets that race for one code, or one nonce, one is issued, whole; the same set
// many times at once is one set.
func TestSetsAtOnce(t *testing.T) {
	const n = 8
	a := newSets(t)
	sets := func(nonce func() []byte) (all [][]enroll.Request) {
		for range n {
			all = append(all, trioOf(t, nonce(), whole).requests)
		}
		return all
	}
	carol := a.withPassword("carol")
	t.Run("one code", func(t *testing.T) {
		c := a.withCode(a.code("carol"))
		serials, rules := submitAtOnce(t, []*enroll.Client{c}, sets(func() []byte { return a.nonce(c) }))
		if len(serials) != 3 || rules["code.spent"] != n-1 || a.count("carol") != 3 {
			t.Errorf("%d certificates, refused %v, %d stored", len(serials), rules, a.count("carol"))
		}
	})
	t.Run("one nonce", func(t *testing.T) {
		nonce := a.nonce(carol)
		serials, rules := submitAtOnce(t, []*enroll.Client{carol}, sets(func() []byte { return nonce }))
		if len(serials) != 3 || rules["nonce.spent"] != n-1 || a.count("carol") != 6 {
			t.Errorf("%d certificates, refused %v, %d stored", len(serials), rules, a.count("carol"))
		}
	})
	t.Run("one set", func(t *testing.T) {
		c := a.withCode(a.code("carol"))
		one := trioOf(t, a.nonce(c), whole).requests
		var all [][]enroll.Request
		for range n {
			all = append(all, one)
		}
		serials, rules := submitAtOnce(t, []*enroll.Client{c, carol}, all)
		if len(serials) != 3 || len(rules) != 0 || a.count("carol") != 9 {
			t.Errorf("%d certificates, refused %v, %d stored", len(serials), rules, a.count("carol"))
		}
	})
	t.Run("sets that share a CSR", func(t *testing.T) {
		nonce := a.nonce(carol)
		shared := trioOf(t, nonce, whole).requests
		var all [][]enroll.Request
		for range n {
			mine := trioOf(t, nonce, whole).requests
			mine[1] = shared[1]
			all = append(all, mine)
		}
		serials, rules := submitAtOnce(t, []*enroll.Client{carol}, all)
		if len(serials) != 3 || rules["set.mixed"] != n-1 || a.count("carol") != 12 {
			t.Errorf("%d certificates, refused %v, %d stored", len(serials), rules, a.count("carol"))
		}
	})
	// The audit trail has no certificate that isn't there.
	if events := a.issueEvents(); len(events) != 12 {
		t.Errorf("%d events", len(events))
	}
}

// A member that was certified before is no part of a new set, by whichever way it comes.
func TestSetMixed(t *testing.T) {
	a := newSets(t)
	carol := a.withPassword("carol")
	issued, all := a.enrolledSet(carol)
	fresh := trioOf(t, a.nonce(carol), whole)
	for i := range whole {
		mixed := append([]enroll.Request{}, fresh.requests...)
		mixed[i] = all.requests[i]
		_, err := carol.Submit(ctx, mixed...)
		refused(t, err, 409, "set.mixed")
	}
	if n := a.count("carol"); n != 3 {
		t.Fatalf("%d certificates", n)
	}
	// Those of one answer may be asked for again one by one: they are there.
	for i, r := range all.requests {
		again := must(carol.Submit(ctx, r))
		if want := append([]enroll.Issued{*issued}, issued.With...)[i]; again.Serial != want.Serial || again.Profile != whole[i] {
			t.Errorf("%s, want %s", again.Serial, want.Serial)
		}
	}
	// The set is still good for a first time.
	must(carol.Submit(ctx, fresh.requests...))
}

// The set that a policy makes larger while a client is at work is asked for anew.
func TestSetChangesMeanwhile(t *testing.T) {
	a := newSets(t)
	carol := a.withPassword("carol")
	old := trioOf(t, a.nonce(carol), whole)
	config := enroll.Config{Profiles: map[string]*enroll.Profile{}}
	set(t, &config)
	config.Profiles["user"] = profile(t, "user", enroll.PlanConfig{}, "signing", "encryption", "other")
	if err := a.enroll.SetPolicy(config.Profiles, piv.NewRoots(cards().root.Certificate())); err != nil {
		t.Fatal(err)
	}
	_, err := carol.Submit(ctx, old.requests...)
	refused(t, err, 422, "set.incomplete")
	names := append(append([]string{}, whole...), "other")
	if issued := must(carol.Submit(ctx, trioOf(t, a.nonce(carol), names, on("other", func(w *wish) { w.pin = softcard.PINNever })).requests...)); len(issued.With) != 3 {
		t.Errorf("%d companions", len(issued.With))
	}
	config.Profiles["user"] = profile(t, "user", enroll.PlanConfig{}, "nobody")
	if err := a.enroll.SetPolicy(config.Profiles, piv.NewRoots(cards().root.Certificate())); err == nil {
		t.Error("a companion that isn't there was taken")
	}
}
