package revocation_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca"
	"signet/internal/audit"
	"signet/internal/logbook"
	"signet/revocation"
)

// TestForgotten: a store from a backup lets in again who was revoked since, and the CRL
// on disk is all that tells.
func TestForgotten(t *testing.T) {
	log := new(logbook.Book)
	w := newWorld(t, func(c *revocation.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	alice, bob, carol := w.issue("alice"), w.issue("bob"), w.issue("carol")
	w.revoke(carol, ca.KeyCompromise)
	w.refresh()
	copied := w.copyFolder()
	w.revoke(alice, ca.KeyCompromise)
	w.revoke(bob, ca.CertificateHold)
	late := w.issue("late")
	w.revoke(late, ca.Superseded)
	w.refresh()
	der := w.der(w.service.Publisher.Current(w.Issuer.ID()))

	w.putBack(copied, false)
	kept := filepath.Join(w.dir, w.Issuer.ID()+".crl.before-restore")
	w.runUntil(func() bool { return strings.Contains(log.String(), "revoke them again") })
	if data, err := os.ReadFile(kept); err != nil || string(data) != string(der) {
		t.Errorf("the CRL from before is not kept: %v", err)
	}
	data, err := os.ReadFile(kept + ".serials")
	must(t, err)
	for _, c := range []*ca.Certificate{alice, bob, late} {
		if !strings.Contains(string(data), c.Serial.String()) || !strings.Contains(log.String(), c.Serial.String()) {
			t.Errorf("%v is not told of:\n%s\n%s", c.Serial, data, log)
		}
	}
	for _, line := range []string{alice.Serial.String() + " keyCompromise\n", bob.Serial.String() + " certificateHold\n", late.Serial.String() + " superseded\n"} {
		if !strings.Contains(string(data), line) {
			t.Errorf("no %q in:\n%s", line, data)
		}
	}
	if strings.Contains(string(data), carol.Serial.String()) || !strings.Contains(log.String(), "count=3 unknown=1") {
		t.Errorf("%s\n%s", data, log)
	}
	w.restart()
	w.runUntil(func() bool { return w.service.Publisher.Current(w.Issuer.ID()) != nil })
	if n := strings.Count(log.String(), "revoke them again"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestNothingForgotten: a hold that was released after the CRL on disk was made is none,
// nor is a store that is older by numbers alone.
func TestNothingForgotten(t *testing.T) {
	log := new(logbook.Book)
	w := newWorld(t, func(c *revocation.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	alice := w.issue("alice")
	w.revoke(alice, ca.CertificateHold)
	w.refresh()
	_, err := w.service.Revoker.Release(t.Context(), alice.Serial, audit.Operator)
	must(t, err)
	w.restart()
	w.refresh()

	w.revoke(alice, ca.KeyCompromise)
	w.refresh()
	copied := w.copyFolder()
	w.refresh()
	w.putBack(copied, false)
	kept := filepath.Join(w.dir, w.Issuer.ID()+".crl.before-restore")
	w.runUntil(func() bool {
		_, err := os.Stat(kept)
		return os.IsNotExist(err) && w.service.Publisher.Current(w.Issuer.ID()) != nil
	})
	if strings.Contains(log.String(), "revoke them again") || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("a false alarm:\n%s", log)
	}
}

// runUntil runs the service until something is so.
func (w *world) runUntil(so func() bool) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.service.Run(ctx) }()
	for range 5000 {
		if so() {
			cancel()
			must(w, <-ended)
			return
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	w.Fatal("that is never so")
}
