//go:build browsers

package interop

import (
	"flag"
	"fmt"
	"html"
	"net/http"
	"os"
	"testing"
	"time"

	"signet/e2e/browser"
	"signet/e2e/harness"
)

// What is tried with each browser, as docs/interop.md names it.
const (
	caseDialogs       = "the card's key, by OpenSC's PKCS#11 module"
	casePage          = "the page behind nginx"
	caseRevokedInView = "reloaded after the revocation"
	caseNoCard        = "the card unplugged"
)

// holder is whose certificate the card has.
const holder = "carol"

// shots is where the screenshots are kept.
var shots = flag.String("interop.shots", "../../run/browsers", "keep the browsers' screenshots in this `folder`")

// Browsers take the whole screen's attention, one after the other: these tests
// don't run side by side.
func TestBrowsers(t *testing.T) {
	for _, kind := range []browser.Kind{browser.Chromium, browser.Firefox} {
		name, err := kind.Name(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { tryBrowser(t, kind, name) })
	}
}

func tryBrowser(t *testing.T, kind browser.Kind, name string) {
	s := start(t, nginxWithPages())
	tryWithoutCard(t, s, kind, name)
	card := cardOf(t, s.world.ca)
	b := openBrowser(t, s, kind, card.Env)
	must(t, b.TypePIN(t.Context(), card.PIN))
	must(t, b.ChooseCertificate(t.Context()))
	seen.say(browsers, name, caseDialogs, "asks for the PIN and for the certificate in dialogs of its own")
	must(t, b.AwaitPage(t.Context(), "Welcome, "+holder))
	must(t, b.Shot(t.Context(), "welcome"))
	seen.say(browsers, name, casePage, "in")

	tryRevokedInView(t, s, b, card, name)
}

// tryWithoutCard: the module is set up, but finds no reader.
func tryWithoutCard(t *testing.T, s *stand, kind browser.Kind, name string) {
	t.Helper()
	b := openBrowser(t, s, kind, []string{"PCSCLITE_CSOCK_NAME=" + s.path("no-such-socket")})
	defer b.Stop()
	const explained = "A certificate is needed here"
	must(t, b.AwaitPage(t.Context(), explained))
	must(t, b.Shot(t.Context(), "no-card"))
	seen.say(browsers, name, caseNoCard, "“"+explained+"”, no dialog")
}

// tryRevokedInView presses F5 until the page is another.
func tryRevokedInView(t *testing.T, s *stand, b *browser.Browser, card *harness.Card, name string) {
	t.Helper()
	s.follow(byPush)
	from := time.Now()
	if _, err := s.world.ca.Signetd(t.Context(), "cert", "revoke", "--reason", "keyCompromise", card.Serial); err != nil {
		t.Fatal(err)
	}
	const explained = "Your certificate is revoked"
	for b.Page(t.Context()) != explained {
		if time.Since(from) > time.Minute {
			t.Fatalf("a minute after the revocation, it shows %q", b.Page(t.Context()))
		}
		must(t, b.Reload(t.Context()))
		time.Sleep(200 * time.Millisecond) // as fast as a person can press F5
	}
	seen.refusedAfter(name+" at nginx", byPush, time.Since(from))
	must(t, b.Shot(t.Context(), "revoked"))
	seen.say(browsers, name, caseRevokedInView, "“"+explained+"”, in the same session, without a new dialog")
}

// nginxWithPages is nginx by its recipe, with an application for people behind
// it, and with a certificate of its own that browsers take.
func nginxWithPages() recipe {
	r := nginx()
	r.prepare = func(s *stand) {
		s.put("passwords", []byte(s.hashed()))
		s.webCertificate()
		serve(s.t, 24432, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, "<!doctype html><title>Welcome, %[1]s</title><h1>Welcome, %[1]s</h1>", html.EscapeString(r.Header.Get(userHeader)))
		})
	}
	return r
}

// webCertificate replaces the server's self-signed certificate by one of a CA:
// Firefox takes no CA's certificate for a server's.
func (s *stand) webCertificate() {
	s.t.Helper()
	s.put("web.cnf", []byte("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n"))
	newKey := []string{"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"}
	for _, args := range [][]string{
		append(newKey, "-x509", "-days", "2", "-subj", "/CN=Web CA of a test", "-keyout", "webca.key", "-out", "webca.crt"),
		append(newKey, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr"),
		{"x509", "-req", "-in", "server.csr", "-CA", "webca.crt", "-CAkey", "webca.key", "-days", "2", "-extfile", "web.cnf", "-out", "server.crt"},
	} {
		output(s.t, s.prefix, "openssl", args...)
	}
}

// cardOf is a card with a certificate of the holder's.
func cardOf(t *testing.T, ca *harness.CA) *harness.Card {
	t.Helper()
	_ = ca.AddUser(t.Context(), holder) // the first browser's test has made it
	card, err := ca.PlugIn(newPrefix(t, "card"))
	must(t, err)
	t.Cleanup(func() { _ = card.Unplug() })
	must(t, ca.EnrollCard(t.Context(), card, holder))
	return card
}

// openBrowser opens the site in a browser of the card's holder.
func openBrowser(t *testing.T, s *stand, kind browser.Kind, env []string) *browser.Browser {
	t.Helper()
	home := newPrefix(t, "browser")
	must(t, os.MkdirAll(*shots, 0o755))
	b, err := kind.Start(t.Context(), browser.Config{
		Home: home, Shots: *shots, WebCA: s.path("webca.crt"), URL: s.door.(*site).urls[required],
		Env: append(harness.HomeEnv(home), env...),
	})
	must(t, err)
	t.Cleanup(b.Stop)
	return b
}
