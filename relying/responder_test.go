package relying

import (
	"context"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/revocation/crl"
)

func (w *world) asking(o OCSP) Config {
	c := w.config()
	c.OCSP = o
	return c
}

func TestOCSPInstead(t *testing.T) {
	for _, nonce := range []bool{false, true} {
		w := newWorld(t)
		alice := w.alice()
		w.set(func() { delete(w.files, w.issuerCRL()) }) // of no use
		c := w.fresh(w.asking(OCSP{Use: OCSPInstead, Nonce: nonce}))
		w.check(c, alice, "SUCCESS")
		w.revoke(alice.Leaf, ca.KeyCompromise)
		w.check(c, alice, "SUCCESS") // the answer is a minute old at most
		if n := w.count("/ocsp"); n != 1 {
			t.Errorf("asked %d times", n)
		}
		w.pass(time.Minute)
		if id := w.check(c, alice, "FAILED:revoked"); id.Revocation.Reason != ca.KeyCompromise {
			t.Errorf("%+v", id.Revocation)
		}
		// The root has no responder: its CRL counts.
		w.revoke(w.Intermediate, ca.CACompromise)
		w.publish()
		w.fetch(c)
		w.check(c, w.person("bob", time.Now()), "FAILED:revoked")
	}
}

func TestOCSPResponderDown(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.alice(), w.person("bob", time.Now())
	w.set(func() { w.ocspFor = 10 * time.Minute })
	c := w.fresh(w.asking(OCSP{Use: OCSPInstead}))
	w.check(c, alice, "SUCCESS")
	w.set(func() { w.ocspDown = true })
	w.check(c, bob, "FAILED:no-ocsp")
	w.pass(9 * time.Minute)
	w.check(c, alice, "SUCCESS") // to its nextUpdate
	w.pass(2 * time.Minute)
	w.check(c, alice, "FAILED:no-ocsp")
	w.set(func() { w.ocspDown = false })
	w.pass(failedRest)
	w.check(c, alice, "SUCCESS")
	w.check(c, bob, "SUCCESS")
}

func TestOCSPNeverLongerThanItsAnswer(t *testing.T) {
	w := newWorld(t)
	alice := w.alice()
	w.set(func() { w.ocspFor = 5 * time.Second })
	c := w.fresh(w.asking(OCSP{Use: OCSPInstead, MaxAge: time.Hour}))
	w.check(c, alice, "SUCCESS")
	w.revoke(alice.Leaf, ca.Superseded)
	w.pass(6 * time.Second)
	w.check(c, alice, "FAILED:revoked")
}

func TestOCSPFallback(t *testing.T) {
	w := newWorld(t)
	alice := w.alice()
	c := w.checker(w.asking(OCSP{Use: OCSPFallback}))
	w.set(func() { delete(w.files, w.issuerCRL()) })
	_ = w.tryFetch(c)
	w.check(c, alice, "SUCCESS")
	asked := w.count("/ocsp")
	w.publish()
	w.fetch(c)
	w.check(c, w.person("bob", time.Now()), "SUCCESS")
	if n := w.count("/ocsp"); n != asked || asked != 1 {
		t.Errorf("asked %d times, then %d", asked, n)
	}
	w.revoke(alice.Leaf, ca.Superseded)
	w.pass(9*time.Hour + time.Minute) // the CRL has run out
	w.check(c, alice, "FAILED:revoked")
}

// Whoever says "revoked" wins; one that says "good" is enough.
func TestOCSPAlso(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.alice(), w.person("bob", time.Now())
	c := w.fresh(w.asking(OCSP{Use: OCSPAlso}))
	w.check(c, alice, "SUCCESS")
	w.revoke(alice.Leaf, ca.Superseded)
	w.pass(time.Minute)
	w.check(c, alice, "FAILED:revoked") // by OCSP; the CRL is an old one
	w.set(func() { w.ocspDown = true })
	w.check(c, bob, "SUCCESS") // by the CRL
	w.set(func() {
		serial, _ := ca.SerialOf(bob.Leaf.SerialNumber)
		w.number++
		w.files[w.issuerCRL()] = w.list(w.Issuer, crl.Head{Number: w.number}, []crl.Entry{entry(serial, ca.Superseded)})
		w.ocspDown = false
	})
	w.fetch(c)
	w.check(c, bob, "FAILED:revoked") // by the CRL, whatever OCSP says
}

func TestOCSPFailOpen(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.alice(), w.person("bob", time.Now())
	w.revoke(bob.Leaf, ca.Superseded)
	config := w.asking(OCSP{Use: OCSPInstead})
	config.FailOpen = true
	c := w.fresh(config)
	w.check(c, bob, "FAILED:revoked")
	w.set(func() { w.ocspDown = true })
	w.pass(2 * time.Hour)
	if id := w.check(c, alice, "SUCCESS"); !id.Unchecked {
		t.Error("not said to be unchecked")
	}
	w.check(c, bob, "FAILED:revoked") // is not forgotten
}

func TestOCSPAnswersThatAreNotBelieved(t *testing.T) {
	for name, spoil := range map[string]func(w, other *world){
		"nonce":    func(w, _ *world) { w.noNonce = true },
		"signer":   func(w, other *world) { w.responder = other.responder },
		"too old":  func(w, _ *world) { w.ocspFor = -time.Minute / 2 },
		"too long": func(w, _ *world) { w.files["/x"] = make([]byte, maxAnswer+2) },
	} {
		w, other := newWorld(t), newWorld(t)
		o := OCSP{Use: OCSPInstead, Nonce: true}
		if name == "too long" {
			o.URL = "http://ca.example:8080/x"
		}
		c := w.fresh(w.asking(o))
		w.set(func() { spoil(w, other) })
		id, _ := c.Check(t.Context(), []*x509.Certificate{w.alice().Leaf})
		if id.Reason != NoOCSP {
			t.Errorf("%s: %s", name, id)
		}
	}
}

// Only http and https URLs of a certificate are asked.
func TestOCSPURLs(t *testing.T) {
	w := newWorld(t)
	c := w.checker(w.asking(OCSP{Use: OCSPInstead}))
	for want, urls := range map[string][]string{
		"http://a/":  {"ldap://x", "file:///etc/passwd", "http://a/", "http://b/"},
		"https://c/": {"http:///no-host", "https://c/"},
		"":           {"javascript:1", "//host/", "unix:/run/x"},
	} {
		if got := c.responders.url(&x509.Certificate{OCSPServer: urls}); got != want {
			t.Errorf("%q: %q", urls, got)
		}
	}
}

// Many who come with one certificate ask once.
func TestOCSPIsAskedOnce(t *testing.T) {
	w := newWorld(t)
	alice := w.alice()
	c := w.fresh(w.asking(OCSP{Use: OCSPInstead}))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { w.check(c, alice, "SUCCESS") })
	}
	all.Wait()
	if n := w.count("/ocsp"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	// One who hangs up spoils nothing for the others.
	w.pass(2 * time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = c.Check(ctx, []*x509.Certificate{alice.Leaf})
	w.check(c, alice, "SUCCESS")
}

func TestMemoIsBounded(t *testing.T) {
	m := newMemo[int](10)
	for i := range 1000 {
		m.put(memoKey{byte(i), byte(i >> 8)}, i)
		if _, ok := m.get(memoKey{0}); !ok { // what is asked for stays
			t.Fatalf("lost after %d", i)
		}
	}
	if n := len(m.young) + len(m.old); n > 10 {
		t.Errorf("%d remembered", n)
	}
}
