package interop

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/ca"
)

// caseHealth is tried only where somebody can be asked.
const (
	caseHealth = "the health check, when a CRL is missing or has run out"
	caseForged = "a name or a certificate in headers of the client's"
)

// A checked recipe is of a server that has no CRL file: package relying, or "signet
// gate" beside it, fetches the CRLs and keeps them in memory.
type checked struct {
	recipe
	relay  *relay
	health string // URL
	// passwordsGoOn: who shows no certificate is asked for a password by the server
	// itself, also while the gate is down.
	passwordsGoOn bool
	// last is tried at the end, where there is more to try.
	last func(t *testing.T, s *stand, good visitor)
}

// runChecked tries everything at a server that is checked by relying.
func runChecked(t *testing.T, build func(t *testing.T, r *relay) checked) {
	t.Parallel()
	w := newWorld(t)
	c := build(t, newRelay(t, w.ca))
	t.Run(caseMissing, func(t *testing.T) {
		for _, level := range w.certificates(t) {
			t.Run(level.Subject.CommonName, func(t *testing.T) { c.tryMissingLevel(t, level) })
		}
	})
	s := start(t, c.recipe)
	good := visitor{cert: w.enroll(t)}
	awaitEntry(t, s, good)
	for _, try := range []struct {
		name string
		try  func(t *testing.T, s *stand, good visitor) string
	}{
		{caseGood, tryGood}, {caseNone, tryNone}, {casePassword, tryPassword}, {caseIdentity, tryIdentity},
		{caseForged, tryForged}, {caseDropped, tryDropped}, {caseExpired, tryExpired}, {caseStranger, tryStranger}, {caseSelfMade, trySelfMade}, {caseRevoked, tryRevokedByPush},
		{caseRunOut, c.tryRunOutAtSource},
	} {
		t.Run(try.name, func(t *testing.T) {
			if words := try.try(t, s, good); words != "" && !t.Failed() {
				seen.say(servers, s.title, try.name, words)
			}
		})
	}
	if c.last != nil {
		c.last(t, s, good)
	}
}

// tryMissingLevel starts the server while one level's CRL can't be had: it must
// let nobody in, say so, and go on by itself once the CRL is there.
func (c checked) tryMissingLevel(t *testing.T, level *x509.Certificate) {
	path := crlPath(level)
	c.relay.answer(path, http.NotFound)
	s := start(t, c.recipe)
	good := visitor{cert: s.world.enroll(t)}
	awaitRefusal(t, s, good)
	said := mustBeRefusedBothWays(t, s, good, caseMissing)
	c.mustBeSick(t, level.Subject.CommonName)
	c.relay.answer(path, nil)
	awaitEntry(t, s, good)
	seen.say(servers, s.title, caseMissing, "refuses everyone: "+said)
	seen.say(servers, s.title, caseHealth, "503, and names the CA")
}

// mustBeSick wants the health check to fail, and to say at which CA.
func (c checked) mustBeSick(t *testing.T, name string) {
	t.Helper()
	resp, err := http.Get(c.health)
	must(t, err)
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(said), name) {
		t.Errorf("the health check says %s, and nothing about %q:\n%s", resp.Status, name, said)
	}
}

// tryForged sends what only a proxy may say.
func tryForged(t *testing.T, s *stand, good visitor) string {
	der := base64.StdEncoding.EncodeToString(good.cert.Certificate[0])
	forged := http.Header{
		userHeader: {"root"}, "Client-Cert": {":" + der + ":"}, "Client-Verify": {"SUCCESS"},
		// What proxies hand certificates over in.
		"X-Client-Cert": {der}, "X-Forwarded-Tls-Client-Cert": {der}, "X_Forwarded_Tls_Client_Cert": {der},
	}
	for _, w := range []way{required, optional} {
		if got := s.door.enter(t.Context(), w, visitor{header: forged}); got.in {
			t.Errorf("%s: in as %q by a header alone", w, got.user)
		}
		if got := s.door.enter(t.Context(), w, visitor{cert: good.cert, header: forged}); got.in && got.user != user {
			t.Errorf("%s: in as %q", w, got.user)
		}
	}
	return "never believed"
}

// tryRevokedByPush: the CA says that there is a new CRL, and the checker fetches it.
func tryRevokedByPush(t *testing.T, s *stand, good visitor) string {
	v := visitor{cert: s.world.enroll(t)}
	mustEnter(t, s, required, v, user)
	again, leave := s.door.sit(t.Context(), required, v)
	defer leave()
	if got := again(); !got.in {
		t.Fatalf("not in by a connection that is kept: %s", got.said)
	}
	from := time.Now()
	s.world.revoke(t, v.cert)
	seen.refusedAfter(s.title, byPush, awaitRefusal(t, s, v).Sub(from))
	tryLingering(t, s, again)
	mustEnter(t, s, required, good, user) // the others stay in
	return mustBeRefusedBothWays(t, s, v, caseRevoked)
}

// tryRunOutAtSource: the CA makes one more CRL, which ends soon, and is gone.
func (c checked) tryRunOutAtSource(t *testing.T, s *stand, good visitor) string {
	all := s.world.certificates(t)
	intermediate := all[len(all)-1]
	path := crlPath(intermediate)
	var ends atomic.Int64
	c.relay.answer(path, func(w http.ResponseWriter, r *http.Request) {
		if ends.Load() != 0 {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		now, err := get(r.Context(), s.world.ca.HTTP+path)
		until := time.Now().Truncate(time.Second).Add(5 * time.Second)
		if err == nil {
			now, err = s.world.ca.NextUntil(r.Context(), now, until)
		}
		if err != nil {
			t.Error(err)
			return
		}
		ends.Store(until.UnixNano())
		_, _ = w.Write(now)
	})
	s.world.revoke(t, s.world.enroll(t)) // so that it looks
	for until := time.Now().Add(40 * time.Second); ends.Load() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it does not fetch the new CRL")
		}
	}
	end := time.Unix(0, ends.Load())
	for time.Now().Before(end.Add(-time.Second)) {
		mustEnter(t, s, required, good, user)
		time.Sleep(50 * time.Millisecond)
	}
	if first := awaitRefusal(t, s, good); first.Before(end) {
		t.Errorf("refused %s before the CRL ends", end.Sub(first))
	}
	said := mustBeRefusedBothWays(t, s, good, caseRunOut)
	c.mustBeSick(t, intermediate.Subject.CommonName)
	c.relay.answer(path, nil)
	s.world.revoke(t, s.world.enroll(t)) // the CA is back, and makes a CRL that is newer
	awaitEntry(t, s, good)
	return "refuses everyone: " + said + "; goes on by itself when the CA is back"
}

// tryFallenAtSource: the root takes the intermediate back, for good: what comes after
// finds nobody let in by certificate.
func (c checked) tryFallenAtSource(t *testing.T, s *stand, good visitor) {
	root, err := s.world.ca.FallenRoot(t.Context())
	must(t, err)
	c.relay.answer(crlPath(s.world.ca.Root), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(root) })
	s.world.revoke(t, s.world.enroll(t)) // so that it looks
	awaitRefusal(t, s, good)
	seen.say(servers, s.title, caseFallen, "refuses everyone: "+mustBeRefusedBothWays(t, s, good, caseFallen))
}

// certificates are the CA's, the root's first.
func (w *world) certificates(t *testing.T) (all []*x509.Certificate) {
	t.Helper()
	for block, rest := pem.Decode(w.chain); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		must(t, err)
		all = append(all, cert)
	}
	return all
}

func crlPath(issuer *x509.Certificate) string { return ca.URLsAt("", ca.IssuerID(issuer)).CRL }
