package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/e2e/harness"
)

// What is tried at each server, as docs/interop.md names it.
const (
	caseGood      = "a good certificate"
	caseNone      = "none, where one is required"
	casePassword  = "none, where one is optional"
	caseIdentity  = "`Client-Cert` of the server's, and of the client's"
	caseDropped   = "`Connection: Client-Cert` of the client's"
	caseExpired   = "expired"
	caseStranger  = "another CA's, of the same name"
	caseSelfMade  = "self-signed"
	caseRevoked   = "revoked"
	caseLingering = "revoked while connected"
	caseMissing   = "one level's CRL missing"
	caseFallen    = "the CA's own certificate revoked"
	caseRunOut    = "CRL run out"
)

// runCases starts a recipe's server and tries everything at it.
func runCases(t *testing.T, r recipe) {
	t.Parallel()
	tryCases(t, r)
}

func tryCases(t *testing.T, r recipe) {
	t.Helper()
	seen.order(servers, caseGood, caseNone, casePassword, caseIdentity, caseForged, caseDropped, caseExpired, caseStranger, caseSelfMade, caseRevoked,
		caseLingering, caseFallen, caseMissing, caseRunOut, caseHealth)
	s := start(t, r)
	s.sh(r.check)
	good := s.world.enroll(t)
	for _, c := range []struct {
		name string
		try  func(t *testing.T, s *stand, good visitor) string
	}{
		{caseGood, tryGood}, {caseNone, tryNone}, {casePassword, tryPassword}, {caseIdentity, tryIdentity}, {caseDropped, tryDropped},
		{caseExpired, tryExpired}, {caseStranger, tryStranger}, {caseSelfMade, trySelfMade}, {caseRevoked, tryRevoked},
		{caseFallen, tryFallen}, {caseMissing, tryMissing}, {caseRunOut, tryRunOut},
	} {
		t.Run(c.name, func(t *testing.T) {
			if words := c.try(t, s, visitor{cert: good}); words != "" && !t.Failed() {
				seen.say(servers, s.title, c.name, words)
			}
		})
	}
}

func tryGood(t *testing.T, s *stand, good visitor) string {
	for _, w := range []way{required, optional} {
		mustEnter(t, s, w, good, user)
	}
	return "in"
}

func tryNone(t *testing.T, s *stand, _ visitor) string {
	return mustBeRefused(t, s, required, visitor{}, caseNone)
}

func tryPassword(t *testing.T, s *stand, _ visitor) string {
	for _, v := range []visitor{{}, {user: guest, password: "guessed"}, {user: user, password: guestPassword}} {
		if got := s.enter(t, optional, v); got.in {
			t.Errorf("in as %q with the password %q of %q", got.user, v.password, v.user)
		}
	}
	mustEnter(t, s, optional, visitor{user: guest, password: guestPassword}, guest)
	if got := s.enter(t, required, visitor{user: guest, password: guestPassword}); got.in {
		t.Errorf("a password opens what requires a certificate")
	}
	return "in by password"
}

// tryIdentity: RFC 9440, Section 2.2: the application gets the certificate that
// the server has seen, and what a client sends under that name never reaches it.
func tryIdentity(t *testing.T, s *stand, good visitor) string {
	if !s.recipe.handsOn {
		return ""
	}
	forged := func(v visitor) visitor {
		v.header = http.Header{}
		for _, name := range []string{"Client-Cert", "Client-Cert-Chain", userHeader} {
			for _, spelt := range []string{name, strings.ToLower(name), strings.ReplaceAll(name, "-", "_")} {
				v.header[spelt] = []string{"forged", "forged"}
			}
		}
		return v
	}
	want := ":" + base64.StdEncoding.EncodeToString(good.cert.Certificate[0]) + ":"
	for _, w := range []way{required, optional} {
		got := mustEnter(t, s, w, forged(good), user)
		if certs := got.got.Values("Client-Cert"); len(certs) != 1 || certs[0] != want {
			t.Errorf("%s: Client-Cert is %q, not %q", w, certs, want)
		}
		mustNotBeForged(t, got.got)
	}
	got := mustEnter(t, s, optional, forged(visitor{user: guest, password: guestPassword}), guest)
	if certs := got.got.Values("Client-Cert"); len(certs) != 0 {
		t.Errorf("without a certificate, Client-Cert is %q", certs)
	}
	mustNotBeForged(t, got.got)
	return "handed on, and taken away"
}

// tryDropped: RFC 9110, Section 7.6.1: a proxy takes away what the client's
// Connection names. The identity must not be among it.
func tryDropped(t *testing.T, s *stand, good visitor) string {
	if !s.recipe.handsOn {
		return ""
	}
	good.header = http.Header{"Connection": {"close, Client-Cert, Remote-User"}}
	for _, w := range []way{required, optional} {
		if got := mustEnter(t, s, w, good, user); got.got.Get("Client-Cert") == "" {
			t.Errorf("%s: the client has taken the Client-Cert away", w)
		}
	}
	return "takes nothing away"
}

func mustNotBeForged(t *testing.T, header http.Header) {
	t.Helper()
	for name, values := range header {
		if strings.Contains(strings.Join(values, " "), "forged") {
			t.Errorf("the application gets the client's own %s: %q", name, values)
		}
	}
}

func tryExpired(t *testing.T, s *stand, _ visitor) string {
	return mustBeRefusedBothWays(t, s, visitor{cert: s.world.expired}, caseExpired)
}

// tryStranger shows a certificate of a CA of the same name, alone and with its chain
// up to its root.
func tryStranger(t *testing.T, s *stand, _ visitor) string {
	whole := *s.world.stranger
	for block, rest := pem.Decode(s.world.otherChain); block != nil; block, rest = pem.Decode(rest) {
		whole.Certificate = slices.Insert(whole.Certificate, 1, block.Bytes) // the root comes first, and goes last
	}
	for _, w := range []way{required, optional} {
		if got := s.enter(t, w, visitor{cert: &whole}); got.in {
			t.Errorf("%s: let in as %q with the chain of another CA", w, got.user)
		}
	}
	return mustBeRefusedBothWays(t, s, visitor{cert: s.world.stranger}, caseStranger)
}

// trySelfMade shows what anybody can make in a minute. It must not look like an
// outage of the CA's.
func trySelfMade(t *testing.T, s *stand, _ visitor) (told string) {
	for _, extensions := range [][]string{
		{"-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth"},
		nil, // a CA's, as "openssl req -x509" makes them
	} {
		told = mustBeRefusedBothWays(t, s, visitor{cert: selfMade(t, extensions)}, caseSelfMade)
	}
	return told
}

// tryRevoked revokes under the agent's eyes, and waits for the refusal.
func tryRevoked(t *testing.T, s *stand, good visitor) string {
	if s.recipe.polls {
		tryRevokedBy(t, s, byPolling)
	}
	v := tryRevokedBy(t, s, byPush)
	mustEnter(t, s, required, good, user) // the others stay in
	return mustBeRefusedBothWays(t, s, v, caseRevoked)
}

func tryRevokedBy(t *testing.T, s *stand, by string) (revoked visitor) {
	t.Helper()
	agent := s.follow(by)
	defer agent.stop()
	v := visitor{cert: s.world.enroll(t)}
	mustEnter(t, s, required, v, user)
	again, leave := s.door.sit(t.Context(), required, v)
	defer leave()
	if got := s.insist(again); !got.in {
		t.Fatalf("not in by a connection that is kept: %s", got.said)
	}
	from := time.Now()
	s.world.revoke(t, v.cert)
	seen.refusedAfter(s.title, by, awaitRefusal(t, s, v).Sub(from))
	tryLingering(t, s, again)
	return v
}

// awaitRefusal knocks until the door is shut, and returns when it first was.
func awaitRefusal(t *testing.T, s *stand, v visitor) (first time.Time) {
	t.Helper()
	awaitDoor(t, s, v, func(got outcome) bool {
		if !got.in && !got.broken && first.IsZero() {
			first = time.Now()
		}
		return !got.in
	})
	return first
}

// awaitEntry knocks until the door is open.
func awaitEntry(t *testing.T, s *stand, v visitor) {
	t.Helper()
	awaitDoor(t, s, v, func(got outcome) bool { return got.in })
}

// awaitDoor knocks until it was as wanted several times on end both ways: while a
// server reloads, its old processes may still take a connection, or none does.
func awaitDoor(t *testing.T, s *stand, v visitor, wanted func(outcome) bool) {
	t.Helper()
	row := 0
	for until := time.Now().Add(30 * time.Second); row < 6; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("after half a minute, the server has not obeyed")
		}
		row++
		for _, w := range []way{required, optional} {
			if got := s.door.enter(t.Context(), w, v); got.broken || !wanted(got) {
				row = 0
			}
		}
	}
}

// tryLingering: who was in when the certificate was revoked, on a connection that
// is kept and with a session that could be resumed.
func tryLingering(t *testing.T, s *stand, again func() outcome) {
	t.Helper()
	got := again()
	for until := time.Now().Add(5 * time.Second); got.in && !s.recipe.lingers && time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
		got = again()
	}
	switch {
	case got.in != s.recipe.lingers:
		t.Errorf("on the old connection: in is %v; %s", got.in, got.said)
	case got.in:
		seen.say(servers, s.title, caseLingering, "stays in until the connection ends")
	default:
		seen.say(servers, s.title, caseLingering, "out, no session resumed")
	}
}

// tryFallen: the root has taken the intermediate back. Everyone below it is refused,
// though nobody has revoked their certificates.
func tryFallen(t *testing.T, s *stand, good visitor) string {
	whole := s.read("crl.pem")
	fallen, err := s.world.ca.Fallen(t.Context(), whole)
	must(t, err)
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(fallen) }))
	defer source.Close()
	if said, err := s.fetch(source.URL, "crl.pem"); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	s.sh(s.recipe.reload)
	awaitRefusal(t, s, good)
	chained := *good.cert
	for _, c := range s.world.certificates(t)[1:] {
		chained.Certificate = append(slices.Clip(chained.Certificate), c.Raw)
	}
	mustBeRefusedBothWays(t, s, visitor{cert: &chained}, caseFallen)
	said := mustBeRefusedBothWays(t, s, good, caseFallen)
	s.restore(t, whole, good)
	return "refuses everyone: " + said
}

// tryMissing: the agent does not take a bundle that lacks a level; where somebody
// puts one there by hand, the server refuses everyone.
func tryMissing(t *testing.T, s *stand, good visitor) string {
	var told string
	whole := s.read("crl.pem")
	for _, level := range s.world.levels {
		part, err := harness.Without(whole, level)
		if err != nil {
			t.Fatal(err)
		}
		s.agentRefuses(t, part, "new.pem", level.CommonName)
		s.put("crl.pem", part)
		s.sh(s.recipe.reload)
		awaitRefusal(t, s, good)
		told = mustBeRefusedBothWays(t, s, good, caseMissing)
		s.restore(t, whole, good)
	}
	return "the agent writes no such file; by hand: " + told
}

// agentRefuses offers a bundle to the agent, which must say what is wrong with it
// and leave the file as it is.
func (s *stand) agentRefuses(t *testing.T, bundle []byte, file, complaint string) {
	t.Helper()
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bundle) }))
	defer source.Close()
	before, _ := os.ReadFile(s.path(file))
	said, err := s.fetch(source.URL, file)
	if err == nil || !strings.Contains(said, complaint) {
		t.Errorf("offered a bad bundle, the agent does not complain of %q: %v\n%s", complaint, err, said)
	}
	if now, _ := os.ReadFile(s.path(file)); !bytes.Equal(now, before) {
		t.Errorf("the agent changed the file")
	}
}

// tryRunOut: the CA is gone, and the CRL in place ends. The agent shouts before,
// and the server refuses everyone.
func tryRunOut(t *testing.T, s *stand, good visitor) string {
	whole := s.read("crl.pem")
	last, ends, agent := s.nearlyRunOut(t, whole, good)
	defer agent.stop()
	if said := agent.said.String(); !strings.Contains(said, "servers then refuse everyone") || !strings.Contains(said, "level=ERROR") {
		t.Errorf("with %s left, the agent says only:\n%s", time.Until(ends), said)
	}
	// By itself: nobody touches the server.
	if first := awaitRefusal(t, s, good); first.Before(ends) {
		t.Errorf("refused %s before the CRL ends", ends.Sub(first))
	}
	agent.await(func(h health) bool { return h.Standing == "expired" })
	agent.stop()
	said := mustBeRefusedBothWays(t, s, good, caseRunOut)
	s.agentRefuses(t, last, "crl.pem", "run out")
	s.restore(t, whole, good)
	return "the agent shouts before; refuses everyone: " + said
}

// nearlyRunOut gives the server a CRL that ends soon, and an agent that can't
// reach the CA. It returns when the agent has shouted and somebody was let in, all
// before the end; a busy machine gets more time.
func (s *stand) nearlyRunOut(t *testing.T, whole []byte, good visitor) (last []byte, ends time.Time, a *agent) {
	t.Helper()
	for span := 3 * time.Second; span < time.Minute; span *= 2 {
		ends = time.Now().Truncate(time.Second).Add(span)
		var err error
		if last, err = s.world.ca.RunOutAt(t.Context(), whole, ends); err != nil {
			t.Fatal(err)
		}
		s.put("crl.pem", last)
		s.sh(s.recipe.reload)
		a = s.sync("http://"+address(9), "--no-push") // nobody is there
		shouted := a.within(time.Until(ends), func(h health) bool { return h.Standing == "critical" })
		for in := false; shouted && time.Now().Before(ends); time.Sleep(20 * time.Millisecond) {
			if in = s.door.enter(t.Context(), required, good).in; in && time.Now().Before(ends) {
				return last, ends, a
			}
		}
		a.stop()
	}
	t.Fatal("nobody was let in, or the agent did not shout, before the CRL ran out")
	return nil, ends, nil
}

// restore puts the good bundle back.
func (s *stand) restore(t *testing.T, whole []byte, good visitor) {
	t.Helper()
	s.put("crl.pem", whole)
	s.sh(s.recipe.reload)
	awaitEntry(t, s, good)
}

// enter knocks at the door.
func (s *stand) enter(t *testing.T, w way, v visitor) outcome {
	t.Helper()
	return s.insist(func() outcome { return s.door.enter(t.Context(), w, v) })
}

// insist tries once; once more where the recipe's server has no port open for a
// moment while it reloads, which anybody's revocation makes it do.
func (s *stand) insist(try func() outcome) outcome {
	got := try()
	for until := time.Now().Add(5 * time.Second); got.broken && s.recipe.gaps && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		got = try()
	}
	return got
}

func mustEnter(t *testing.T, s *stand, w way, v visitor, as string) outcome {
	t.Helper()
	got := s.enter(t, w, v)
	if s.recipe.nameless {
		as = ""
	}
	if !got.in || got.user != as {
		t.Fatalf("%s: in is %v, as %q, not %q; %s", w, got.in, got.user, as, got.said)
	}
	return got
}

func mustBeRefusedBothWays(t *testing.T, s *stand, v visitor, name string) string {
	t.Helper()
	mustBeRefused(t, s, optional, v, name)
	return mustBeRefused(t, s, required, v, name)
}

// mustBeRefused returns what the visitor was told.
func mustBeRefused(t *testing.T, s *stand, w way, v visitor, name string) string {
	t.Helper()
	got := s.enter(t, w, v)
	if got.in {
		t.Fatalf("%s: let in as %q", w, got.user)
	}
	want := s.recipe.says[name]
	if w == optional && s.recipe.saysOptional != "" {
		want = s.recipe.saysOptional
	}
	if want == "" || !strings.Contains(got.said, want) {
		t.Errorf("%s: told %q, not %q", w, got.said, want)
	}
	return got.said
}
