package revocation_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signet/internal/logbook"
	"signet/revocation"
	"signet/revocation/crl"
)

func (w *world) readRootCRL() []byte {
	w.Helper()
	data, err := os.ReadFile(w.conf.RootCRL)
	must(w, err)
	return data
}

func TestRootCRL(t *testing.T) {
	log := new(logbook.Book)
	now := time.Now()
	w := newWorld(t, func(c *revocation.Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		c.Now = func() time.Time { return now }
	})
	p, root := w.service.Publisher, w.RootIssuer.ID()
	if _, err := p.Lists(); err == nil {
		t.Error("lists before the issuer's first CRL")
	}
	w.refresh()
	number := func() int64 { return p.Current(root).Number.Int64() }
	if number() != 1 {
		t.Fatalf("number %d", number())
	}
	w.signRootCRL(2, 365*24*time.Hour)
	if number() != 2 {
		t.Errorf("number %d after the file has changed", number())
	}
	good := w.readRootCRL()
	for name, bad := range map[string][]byte{
		"cut short": good[:50], "another CA's": newWorld(t, nil).readRootCRL(), "empty": nil,
	} {
		must(t, os.WriteFile(w.conf.RootCRL, bad, 0o600))
		if number() != 2 {
			t.Errorf("%s: number %d", name, number())
		}
		if got := w.get("/crl/" + root + ".crl").Body.Bytes(); !bytes.Equal(got, good) {
			t.Errorf("%s: what is given out changes with the file", name)
		}
	}
	w.signRootCRL(1, 365*24*time.Hour)
	if number() != 2 {
		t.Error("an older CRL has taken the newer one's place")
	}
	must(t, os.WriteFile(w.conf.RootCRL, crl.EncodePEM(good), 0o600)) // PEM will do
	must(t, p.Check())
	now = now.Add(366 * 24 * time.Hour)
	w.refresh()
	if err := p.Check(); !errors.Is(err, crl.ErrExpired) {
		t.Errorf("Check with a root's CRL that has run out: %v", err)
	}
	if !strings.Contains(log.String(), "older than 2") {
		t.Errorf("the log does not tell of the older one:\n%s", log)
	}
}

func TestRootCRLNearsItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, clock := new(logbook.Book), new(wallClock)
		w := newWorld(t, func(c *revocation.Config) {
			c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			c.CRLLifetime, c.Now = 60*24*time.Hour, clock.now
		})
		clock.set(329 * 24 * time.Hour)
		w.run()
		time.Sleep(24 * time.Hour)
		if strings.Contains(log.String(), "nears its end") {
			t.Fatal("warned too early")
		}
		time.Sleep(10 * 24 * time.Hour)
		if n := strings.Count(log.String(), "nears its end"); n < 4 || n > 6 {
			t.Errorf("warned %d times in the five days since 30 days are left\n%s", n, log)
		}
	})
}

// TestRootCRLRunsOut: who overlooked the warnings hears it louder.
func TestRootCRLRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logbook.Book)
		w := newWorld(t, func(c *revocation.Config) {
			c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		})
		w.signRootCRL(2, 90*time.Minute)
		w.restart()
		w.run()
		time.Sleep(89 * time.Minute)
		if s := log.String(); strings.Contains(s, "has run out") || strings.Count(s, "nears its end") != 1 {
			t.Errorf("before the end:\n%s", s)
		}
		if s := log.String(); !strings.Contains(s, `left="22 minutes"`) && !strings.Contains(s, `left="23 minutes"`) {
			t.Errorf("what is left, by the log:\n%s", s)
		}
		time.Sleep(62 * time.Minute)
		if n := strings.Count(log.String(), "level=ERROR msg=\"the root's CRL has run out"); n < 6 || n > 7 {
			t.Errorf("told %d times in an hour\n%s", n, log)
		}
		if s := log.String(); strings.Count(s, "nears its end") != 1 || !strings.Contains(s, `ago="less than a minute"`) || !strings.Contains(s, `ago="1 hour"`) {
			t.Errorf("after the end:\n%s", s)
		}
		w.signRootCRL(3, 365*24*time.Hour)
		time.Sleep(2 * time.Minute)
		before := log.String()
		time.Sleep(time.Hour)
		if log.String() != before {
			t.Errorf("with the next one:\n%s", strings.TrimPrefix(log.String(), before))
		}
	})
}

// What is wrong with the root's file is told to anyone, and so without its path.
func TestLackOfTheRootCRL(t *testing.T) {
	other := newWorld(t, nil)
	for name, test := range map[string]struct {
		content []byte // nil for no file
		want    string
	}{
		"none":           {nil, "there is none"},
		"garbage":        {[]byte("garbage"), crl.ErrMalformed.Error()},
		"another root's": {other.readRootCRL(), crl.ErrSignature.Error()},
	} {
		w := newWorld(t, nil)
		must(t, os.Remove(w.conf.RootCRL))
		if test.content != nil {
			must(t, os.WriteFile(w.conf.RootCRL, test.content, 0o600))
		}
		w.restart()
		p, root := w.service.Publisher, w.RootIssuer.ID()
		err := p.Lack(root)
		if p.Current(root) != nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), filepath.Dir(w.conf.RootCRL)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMissingRootCRL(t *testing.T) {
	w := newWorld(t, nil)
	must(t, os.Remove(w.conf.RootCRL))
	w.restart()
	w.refresh()
	if got := w.get("/crl/bundle.pem"); got.Code != 503 {
		t.Errorf("half a bundle: %d", got.Code)
	}
	if w.service.Publisher.Check() == nil {
		t.Error("Check is content without the root's CRL")
	}
	w.signRootCRL(1, time.Hour)
	if got := w.get("/crl/bundle.pem"); got.Code != 200 || strings.Count(got.Body.String(), "BEGIN X509 CRL") != 2 {
		t.Errorf("once it is there: %d\n%s", got.Code, got.Body)
	}
}
