package revocation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/revocation"
)

func TestRevocationShowsRightAfter(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	alice := w.issue("alice")
	w.revoke(alice, ca.KeyCompromise)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if reason, ok := w.onCRL()[alice.Serial.String()]; ok {
			if reason != ca.KeyCompromise {
				t.Errorf("reason %v", reason)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("alice is not on the CRL after 5 seconds")
		}
	}
}

func TestBurstSharesACRL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.gate = make(chan struct{})
		const callers = 50
		errs := make(chan error, callers)
		refresh := func() { errs <- w.service.Publisher.Refresh(context.Background()) }
		go refresh()
		synctest.Wait() // the first has begun
		for range callers - 1 {
			go refresh()
		}
		synctest.Wait()
		close(w.store.gate)
		for range callers {
			must(t, <-errs)
		}
		if n := w.store.crls.Load(); n != 2 {
			t.Errorf("%d CRLs for %d that asked while the first was made", n, callers)
		}
	})
}

func TestAwaitSharesTheCRLOfABurst(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	before := w.store.crls.Load()
	const callers = 20
	errs := make(chan error, callers)
	var burst []*ca.Certificate
	for range callers {
		burst = append(burst, w.issue("alice"))
	}
	for _, c := range burst {
		go func() {
			w.revoke(c, ca.Superseded)
			err := w.service.Publisher.Await(t.Context())
			if _, ok := w.onCRL()[c.Serial.String()]; err == nil && !ok {
				err = errors.New("Await returned before the CRL that shows the revocation")
			}
			errs <- err
		}()
	}
	for range callers {
		must(t, <-errs)
	}
	if n := w.store.crls.Load() - before; n > 3 {
		t.Errorf("%d CRLs for a burst of %d", n, callers)
	}
}

// Whoever revokes and then waits for the CRL has asked for it twice.
func TestOneRevocationMakesOneCRL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		alice, bob := w.issue("alice"), w.issue("bob")
		makes := func(what string, want int32, change func()) {
			t.Helper()
			time.Sleep(time.Minute)
			before := w.store.crls.Load()
			change()
			must(t, w.service.Publisher.Await(t.Context()))
			time.Sleep(time.Minute)
			if n := w.store.crls.Load() - before; n != want {
				t.Errorf("%s: %d CRLs, want %d", what, n, want)
			}
		}
		hold := func() { w.revoke(alice, ca.CertificateHold) }
		release := func() {
			_, err := w.service.Revoker.Release(t.Context(), alice.Serial, audit.Operator)
			must(t, err)
		}
		makes("hold", 1, hold)
		makes("release", 1, release)
		makes("a burst", 1, func() { hold(); release(); hold() })
		makes("waiting so late that the CRL is out", 1, func() { release(); time.Sleep(time.Second) })
		makes("no such certificate", 0, func() {
			_, err := w.service.Revoker.Revoke(t.Context(), w.Serial(t), ca.Superseded, audit.Operator)
			if !errors.Is(err, revocation.ErrNotFound) {
				t.Errorf("%v", err)
			}
		})
		makes("a reload", 1, func() {
			w.service.SetCRLs("")
			must(t, w.service.SetTimes(revocation.Times{}))
		})
		// In one that is being made it counts while it may still be read, and else with the next.
		makes("before the entries are read", 1, func() { w.store.begun = hold; w.revoke(bob, ca.CertificateHold) })
		makes("after the entries are read", 2, func() { w.store.read = release; w.revoke(bob, ca.Superseded) })
		if on := w.onCRL(); len(on) != 1 || on[bob.Serial.String()] != ca.Superseded {
			t.Errorf("on the CRL: %v", on)
		}
	})
}

func TestAwaitGivesUpWithItsCaller(t *testing.T) {
	w := newWorld(t, nil) // no one makes CRLs
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.service.Publisher.Await(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestRefreshGivesUpWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.gate = make(chan struct{})
		first := make(chan error, 1)
		go func() { first <- w.service.Publisher.Refresh(context.Background()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.service.Publisher.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(w.store.gate)
		must(t, <-first)
	})
}

func TestPublisherKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *revocation.Config) { c.CRLLifetime, c.CRLOverlap = 3*time.Hour, 2*time.Hour })
		w.run()
		begun := w.store.crls.Load()
		for range 24 * 60 {
			time.Sleep(time.Minute)
			l := w.service.Publisher.Current(w.Issuer.ID())
			if left := time.Until(l.NextUpdate); left < 2*time.Hour-time.Minute {
				t.Fatalf("the CRL in force has %v left", left)
			}
		}
		if n := w.store.crls.Load() - begun; n < 23 || n > 25 {
			t.Errorf("%d CRLs in a day", n)
		}
		var serials []*ca.Certificate
		for range 20 {
			serials = append(serials, w.issue("alice"))
		}
		begun = w.store.crls.Load()
		done, err := w.service.Revoker.RevokeAll(t.Context(), w.chosen(revocation.Filter{Account: "alice"}), ca.PrivilegeWithdrawn, "boss", nil)
		must(t, err)
		time.Sleep(time.Second)
		if n := w.store.crls.Load() - begun; n != 1 || done.Changed != 20 || len(w.onCRL()) != len(serials) {
			t.Errorf("%d CRLs for %d revocations, %d entries", n, done.Changed, len(w.onCRL()))
		}
	})
}

func TestPublisherGoesOnAfterTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		synctest.Wait() // until its first CRL, too, is out
		alice := w.issue("alice")
		before := w.service.Publisher.Current(w.Issuer.ID())
		w.revoke(alice, ca.Superseded)
		w.store.broken.Store(true)
		time.Sleep(10 * time.Minute)
		if w.service.Publisher.Current(w.Issuer.ID()) != before {
			t.Fatal("a CRL was made with a store that is down")
		}
		if err := w.service.Publisher.Refresh(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("Refresh: %v", err)
		}
		w.store.broken.Store(false)
		time.Sleep(time.Minute + time.Second)
		if _, ok := w.onCRL()[alice.Serial.String()]; !ok {
			t.Error("the CRL is not made once the store is back")
		}
	})
}

// TestTwoPublishersOnOneStore: CRL numbers grow across both, and none is used twice.
func TestTwoPublishersOnOneStore(t *testing.T) {
	w := newWorld(t, func(c *revocation.Config) { c.CRLDir = "" })
	w.partition(2)
	other, err := revocation.New(w.conf)
	must(t, err)
	services := []*revocation.Service{w.service, other}
	used := map[string]bool{}
	last := "0"
	for i := range 20 {
		w.revoke(w.issue("alice"), ca.Superseded)
		p := services[i%2].Publisher
		must(t, p.Refresh(t.Context()))
		number := p.Current(w.Issuer.ID()).Number.String()
		if used[number] || len(number) < len(last) || len(number) == len(last) && number <= last {
			t.Errorf("number %s after %s", number, last)
		}
		used[number], last = true, number
	}
	errs := make(chan error, 20)
	numbers := make(chan string, 20)
	for i := range 20 {
		go func() {
			p := services[i%2].Publisher
			err := p.Refresh(context.Background())
			numbers <- fmt.Sprintf("%d: %v", i%2, p.Current(w.Issuer.ID()).Number)
			errs <- err
		}()
	}
	by := map[string]string{}
	for range 20 {
		must(t, <-errs)
		whose, number, _ := strings.Cut(<-numbers, ": ")
		if by[number] != "" && by[number] != whose {
			t.Errorf("both have used number %s", number)
		}
		by[number] = whose
	}
}

func TestRestart(t *testing.T) {
	w := newWorld(t, nil)
	alice := w.issue("alice")
	w.revoke(alice, ca.KeyCompromise)
	w.refresh()
	before := w.service.Publisher.Current(w.Issuer.ID())
	der := w.der(before)
	w.restart()
	w.refused("/crl/" + w.Issuer.ID() + ".crl") // a later one may have been out, and not on disk
	w.refused("/crl/" + w.Issuer.ID() + "/1.crl")
	w.refused("/crl/bundle.pem")
	if w.service.Publisher.Check() == nil {
		t.Error("Check is content before there is a CRL of this run")
	}
	w.failToMake()
	after := w.service.Publisher.Current(w.Issuer.ID())
	if after == nil || !bytes.Equal(w.der(after), der) || after.ETag != before.ETag {
		t.Fatalf("the last CRL is not there where no other can be made: %+v", after)
	}
	if got := w.get("/crl/" + w.Issuer.ID() + ".crl"); got.Code != 200 || !bytes.Equal(got.Body.Bytes(), der) {
		t.Errorf("the last CRL is not given out where no other can be made: %d", got.Code)
	}
	w.refresh()
	if got := w.service.Publisher.Current(w.Issuer.ID()); got.Number.Cmp(before.Number) <= 0 || !got.Modified.After(after.Modified) {
		t.Errorf("number %v, modified %v after number %v, modified %v", got.Number, got.Modified, before.Number, after.Modified)
	}
	// A file that is cut short, or another CA's, is no reason not to start.
	for _, bad := range [][]byte{der[:100], newWorld(t, nil).readRootCRL()} {
		must(t, os.WriteFile(filepath.Join(w.dir, w.Issuer.ID()+".crl"), bad, 0o600))
		w.restart()
		w.failToMake()
		if l := w.service.Publisher.Current(w.Issuer.ID()); l != nil {
			t.Error("a bad file is given out")
		}
	}
}

// failToMake has the making of a CRL fail.
func (w *world) failToMake() {
	w.Helper()
	w.store.broken.Store(true)
	defer w.store.broken.Store(false)
	if err := w.service.Publisher.Refresh(w.Context()); !errors.Is(err, errBroken) {
		w.Errorf("Refresh with a broken store: %v", err)
	}
}

// refused: what is at path is to be asked for again in a moment.
func (w *world) refused(path string) {
	w.Helper()
	if got := w.get(path); got.Code != 503 || got.Header().Get("Retry-After") == "" {
		w.Errorf("%s before the first CRL of this run: %d %v", path, got.Code, got.Header())
	}
}

func TestFullDiskHidesNoRevocation(t *testing.T) {
	w := newWorld(t, func(c *revocation.Config) { c.CRLDir = filepath.Join(c.CRLDir, "not there") })
	alice := w.issue("alice")
	w.revoke(alice, ca.KeyCompromise)
	w.refresh()
	if _, ok := w.onCRL()[alice.Serial.String()]; !ok {
		t.Error("alice is not on the CRL because its file can't be written")
	}
}

// RFC 5280, Section 3.3: an entry stays until one CRL after the certificate's end has it.
func TestExpiredAppearsOnceMore(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *revocation.Config) { c.Now = func() time.Time { return now } })
	alice := w.issue("alice")
	w.revoke(alice, ca.KeyCompromise)
	for _, c := range []struct {
		at   time.Time
		want bool
	}{
		{now, true}, {alice.NotAfter.Add(-time.Hour), true}, {alice.NotAfter.Add(time.Hour), true}, {alice.NotAfter.Add(2 * time.Hour), false},
	} {
		now = c.at
		w.refresh()
		if _, ok := w.onCRL()[alice.Serial.String()]; ok != c.want {
			t.Errorf("at %v, with its end at %v: on the CRL %v", c.at, alice.NotAfter, ok)
		}
	}
}
