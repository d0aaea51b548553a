package agent_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/ca"
	"signet/ca/catest"
	"signet/internal/exit"
	"signet/revocation/agent"
	"signet/revocation/crl"
)

// A source is a CA's web server as the agent sees it, and what goes wrong there.
type source struct {
	testing.TB
	*catest.Hierarchy
	now  time.Time
	conf agent.Config

	mu       sync.Mutex // owns the fields below
	bodies   map[string][]byte
	types    map[string]string
	requests []string // the If-None-Match of each
	// onRequest is called with the number of each request; nil for nothing.
	onRequest func(n int)
}

func newSource(t testing.TB) *source {
	t.Helper()
	s := newQuietSource(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.conf.URLs, s.conf.HTTP = []string{server.URL + "/bundle.pem"}, nil
	return s
}

// newQuietSource is one without a network, for tests in a time of their own.
func newQuietSource(t testing.TB) *source {
	t.Helper()
	h := catest.New(t)
	s := &source{TB: t, Hierarchy: h, now: time.Now(), bodies: map[string][]byte{}, types: map[string]string{}}
	s.conf = agent.Config{
		SourceConfig: agent.SourceConfig{
			URLs: []string{"http://ca.example/bundle.pem"}, CAs: []*x509.Certificate{h.Intermediate, h.Root},
			HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				return w.Result(), nil
			})},
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return s.now },
		},
		Path: filepath.Join(t.TempDir(), "crl.pem"),
	}
	s.put("/bundle.pem", crl.EncodePEM(s.list(h.Issuer, 10), s.list(h.RootIssuer, 3)))
	return s
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.onRequest != nil {
		s.onRequest(len(s.requests))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Header.Get("If-None-Match"))
	body, ok := s.bodies[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", s.types[r.URL.Path])
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (s *source) put(path string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies[path], s.types[path] = body, "application/pkix-crl"
}

// list is a CRL of issuer with as many entries as its number, in force for 10 hours.
func (s *source) list(issuer *ca.Issuer, number uint64) []byte {
	s.Helper()
	return s.listAt(issuer, number, s.now.Add(-time.Hour), s.now.Add(9*time.Hour))
}

func (s *source) listAt(issuer *ca.Issuer, number uint64, from, to time.Time) []byte {
	s.Helper()
	der, err := crl.Create(issuer, crl.Template{
		Number: number, ThisUpdate: from, NextUpdate: to,
		Entries: func(yield func(crl.Entry) bool) error {
			for range number {
				yield(crl.Entry{Serial: s.Serial(s), At: s.now, Reason: ca.KeyCompromise})
			}
			return nil
		},
	})
	if err != nil {
		s.Fatal(err)
	}
	return der
}

func (s *source) bundle(issuer, root []byte) { s.put("/bundle.pem", crl.EncodePEM(issuer, root)) }

func (s *source) fetch() (*agent.Result, error) {
	return agent.Fetch(context.Background(), s.conf)
}

// mustFetch fetches with success and returns the result.
func (s *source) mustFetch() *agent.Result {
	s.Helper()
	r, err := s.fetch()
	if err != nil {
		s.Fatalf("%v (%s)", err, exit.HintOf(err))
	}
	return r
}

func (s *source) inPlace() []byte {
	s.Helper()
	data, err := os.ReadFile(s.conf.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.Fatal(err)
	}
	return data
}

func TestFetch(t *testing.T) {
	s := newSource(t)
	r := s.mustFetch()
	if !r.Changed || len(r.Levels) != 2 || r.Levels[0].Number != "10" || r.Levels[0].Entries != 10 || r.Levels[1].Number != "3" ||
		r.CommandRun || len(r.Warnings) != 0 || !r.NextUpdate.Equal(s.now.Add(9*time.Hour).Truncate(time.Second)) {
		t.Errorf("first: %+v", r)
	}
	if info, err := os.Stat(s.conf.Path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	first := s.inPlace()
	if r = s.mustFetch(); r.Changed || len(r.Levels) != 2 {
		t.Errorf("again: %+v", r)
	}
	if s.requests[1] == "" {
		t.Error("the second request is not conditional")
	}
	s.bundle(s.list(s.Issuer, 11), s.list(s.RootIssuer, 4))
	if r = s.mustFetch(); !r.Changed || r.Levels[0].Entries != 11 {
		t.Errorf("the next CRL: %+v", r)
	}
	// A file that somebody else has changed, or deleted, is fetched whole.
	for _, change := range []func() error{
		func() error { return os.WriteFile(s.conf.Path, first, 0o600) },
		func() error { return os.WriteFile(s.conf.Path, []byte("oops"), 0o600) },
		func() error { return os.Remove(s.conf.Path) },
		func() error { return os.WriteFile(s.conf.Path+".state", []byte("oops"), 0o600) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if r = s.mustFetch(); r.Levels[0].Number != "11" || s.requests[len(s.requests)-1] != "" {
			t.Errorf("after a change by others: %+v", r)
		}
	}
}

func TestURLForEachLevel(t *testing.T) {
	s := newSource(t)
	base := strings.TrimSuffix(s.conf.URLs[0], "/bundle.pem")
	s.conf.URLs = []string{base + "/root.crl", base + "/issuer.crl"}
	s.put("/issuer.crl", s.list(s.Issuer, 5))
	s.put("/root.crl", crl.EncodePEM(s.list(s.RootIssuer, 1)))
	if r := s.mustFetch(); len(r.Levels) != 2 || r.Levels[0].Number != "5" {
		t.Errorf("%+v", r)
	}
	s.put("/issuer.crl", s.list(s.Issuer, 6)) // the root's: not modified
	if r := s.mustFetch(); !r.Changed || r.Levels[0].Number != "6" || r.Levels[1].Number != "1" {
		t.Errorf("%+v", r)
	}
	if ders, err := crl.Split(s.inPlace()); err != nil || len(ders) != 2 {
		t.Errorf("%d CRLs in the file, %v", len(ders), err)
	}
}

func TestBadDays(t *testing.T) {
	other := newSource(t)
	for name, c := range map[string]struct {
		// day makes it bad, after a first good fetch.
		day  func(*source)
		want error
		code int
	}{
		"server down":     {func(s *source) { s.conf.URLs = []string{"http://127.0.0.1:1/bundle.pem"} }, agent.ErrUnreachable, exit.Unreachable},
		"not found":       {func(s *source) { s.conf.URLs[0] += "x" }, agent.ErrUnreachable, exit.Unreachable},
		"half of it":      {func(s *source) { b := s.bodies["/bundle.pem"]; s.put("/bundle.pem", b[:len(b)/2]) }, crl.ErrMalformed, exit.Failed},
		"half of DER":     {func(s *source) { s.put("/bundle.pem", s.list(s.Issuer, 11)[:300]) }, crl.ErrMalformed, exit.Failed},
		"nothing":         {func(s *source) { s.put("/bundle.pem", nil) }, crl.ErrMalformed, exit.Failed},
		"a page":          {func(s *source) { s.put("/bundle.pem", []byte("<!DOCTYPE html><p>Log in to the hotel's network")) }, crl.ErrMalformed, exit.Failed},
		"too big":         {func(s *source) { s.conf.MaxBytes = 1000; s.bundle(s.list(s.Issuer, 40), s.list(s.RootIssuer, 3)) }, agent.ErrTooBig, exit.Failed},
		"older":           {func(s *source) { s.bundle(s.list(s.Issuer, 9), s.list(s.RootIssuer, 3)) }, agent.ErrOlder, exit.Denied},
		"older root's":    {func(s *source) { s.bundle(s.list(s.Issuer, 11), s.list(s.RootIssuer, 2)) }, agent.ErrOlder, exit.Denied},
		"two of a number": {func(s *source) { s.bundle(s.list(s.Issuer, 10), s.list(s.RootIssuer, 4)) }, agent.ErrConflict, exit.Denied},
		"another CA's":    {func(s *source) { s.bundle(other.list(other.Issuer, 11), other.list(other.RootIssuer, 4)) }, crl.ErrSignature, exit.Denied},
		"no root's":       {func(s *source) { s.freshChain(); s.put("/bundle.pem", s.list(s.Issuer, 11)) }, agent.ErrMissing, exit.Failed},
		"run out": {func(s *source) {
			s.bundle(s.listAt(s.Issuer, 11, s.now.Add(-2*time.Hour), s.now.Add(-time.Hour)), s.list(s.RootIssuer, 4))
		}, crl.ErrExpired, exit.Failed},
		"of tomorrow": {func(s *source) {
			s.bundle(s.listAt(s.Issuer, 11, s.now.Add(24*time.Hour), s.now.Add(25*time.Hour)), s.list(s.RootIssuer, 4))
		}, crl.ErrNotYet, exit.Failed},
		"forged": {func(s *source) {
			der := s.list(s.Issuer, 11)
			der[len(der)-1] ^= 1
			s.bundle(der, s.list(s.RootIssuer, 4))
		}, crl.ErrSignature, exit.Denied},
		"the CA has slept": {func(s *source) { s.now = s.now.Add(10 * time.Hour) }, crl.ErrExpired, exit.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			ran := filepath.Join(t.TempDir(), "ran")
			s.mustFetch()
			s.conf.Reload = "touch " + ran
			c.day(s)
			before := s.inPlace()
			_, err := s.fetch()
			if !errors.Is(err, c.want) || exit.CodeOf(err) != c.code || exit.HintOf(err) == "" {
				t.Errorf("got %v, code %d, hint %q", err, exit.CodeOf(err), exit.HintOf(err))
			}
			if !bytes.Equal(s.inPlace(), before) {
				t.Error("the file was changed")
			}
			if _, err := os.Stat(ran); err == nil {
				t.Error("the command was run")
			}
			left, err := filepath.Glob(filepath.Join(filepath.Dir(s.conf.Path), ".*"))
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// freshChain begins without a file, so that nothing in place can stand in.
func (s *source) freshChain() {
	s.Helper()
	s.conf.Path = filepath.Join(s.TempDir(), "crl.pem")
	s.bundle(s.list(s.Issuer, 10), s.list(s.RootIssuer, 3))
}

// A connection that breaks off must not leave half a CRL.
func TestConnectionBreaks(t *testing.T) {
	s := newSource(t)
	s.mustFetch()
	before := s.inPlace()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(crl.EncodePEM(s.list(s.Issuer, 11), s.list(s.RootIssuer, 4)))
		panic(http.ErrAbortHandler)
	}))
	defer broken.Close()
	s.conf.URLs = []string{broken.URL}
	_, err := s.fetch()
	if !errors.Is(err, agent.ErrUnreachable) || !bytes.Equal(s.inPlace(), before) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(exit.HintOf(err), "good until") {
		t.Errorf("the hint does not say how long the file in place will do: %q", exit.HintOf(err))
	}
}

// A file named by mistake is no CRL that was damaged.
func TestNotOurFile(t *testing.T) {
	s := newSource(t)
	other := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("a server's")})
	if err := os.WriteFile(s.conf.Path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.fetch()
	if !errors.Is(err, agent.ErrNotOurs) || exit.HintOf(err) == "" || !bytes.Equal(s.inPlace(), other) {
		t.Errorf("got %v", err)
	}
}

// The folder is one where no file can be made, whoever runs the test: as when the disk is full.
func TestFolderIsNotWritable(t *testing.T) {
	s := newSource(t)
	s.conf.Path = "/proc/self/fdinfo/crl.pem"
	_, err := s.fetch()
	if !errors.Is(err, agent.ErrWrite) || exit.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestWarnsInTime(t *testing.T) {
	s := newSource(t)
	s.mustFetch()
	s.now = s.now.Add(6 * time.Hour)
	r := s.mustFetch()
	if len(r.Warnings) != 2 || !strings.Contains(r.Warnings[0], "runs out in 3h") {
		t.Errorf("%q", r.Warnings)
	}
}
