package agent_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/ca/catest"
	"signet/internal/exit"
	"signet/revocation/agent"
)

func TestCommandRunsOnChange(t *testing.T) {
	s := newSource(t)
	log := filepath.Join(t.TempDir(), "log")
	s.conf.Reload = `grep -c "BEGIN X509 CRL" "$SIGNET_CRL" >> ` + log
	runs := func() int {
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(data)); strings.Trim(got, "2\n") != "" {
			t.Fatalf("the command saw %q", got)
		}
		return strings.Count(string(data), "\n")
	}
	if r := s.mustFetch(); !r.CommandRun || runs() != 1 {
		t.Errorf("first: %+v, %d runs", r, runs())
	}
	if r := s.mustFetch(); r.CommandRun || runs() != 1 {
		t.Errorf("no change: %+v, %d runs", r, runs())
	}
	s.bundle(s.list(s.Issuer, 11), s.list(s.RootIssuer, 4))
	if r := s.mustFetch(); !r.CommandRun || runs() != 2 {
		t.Errorf("change: %+v, %d runs", r, runs())
	}
	s.conf.Reload += " # another one"
	if r := s.mustFetch(); !r.CommandRun || runs() != 3 {
		t.Errorf("another command: %+v, %d runs", r, runs())
	}
}

// A command that failed has to be run again, though the file is not new any more.
func TestCommandFails(t *testing.T) {
	s := newSource(t)
	flag := filepath.Join(t.TempDir(), "repaired")
	s.conf.Reload = "test -e " + flag + " || { echo nginx is not amused >&2; exit 3; }"
	for range 2 {
		r, err := s.fetch()
		if !errors.Is(err, agent.ErrReload) || exit.CodeOf(err) != exit.Failed || exit.HintOf(err) == "" ||
			!strings.Contains(err.Error(), "nginx is not amused") {
			t.Errorf("got %v", err)
		}
		if r == nil || r.CommandRun || len(s.inPlace()) == 0 {
			t.Errorf("%+v", r)
		}
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.mustFetch(); !r.CommandRun || r.Changed {
		t.Errorf("repaired: %+v", r)
	}
	if r := s.mustFetch(); r.CommandRun {
		t.Errorf("after that: %+v", r)
	}
}

func TestCommandHangs(t *testing.T) {
	s := newSource(t)
	pid := filepath.Join(t.TempDir(), "pid")
	s.conf.Reload, s.conf.CommandTimeout = "sleep 60 & echo $! >"+pid+"; wait", 200*time.Millisecond
	if _, err := s.fetch(); !errors.Is(err, agent.ErrReload) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	// What the command started ended with it; a process that is over has no command line.
	started, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	line := "/proc/" + strings.TrimSpace(string(started)) + "/cmdline"
	for range 100 {
		if left, err := os.ReadFile(line); err != nil || len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("what the command started still runs")
}

// When a CA is added to the chain, "not modified" must not hide its CRL.
func TestChainGrows(t *testing.T) {
	s, other := newSource(t), newSource(t)
	s.mustFetch()
	s.conf.CAs = append(s.conf.CAs, other.Intermediate)
	if _, err := s.fetch(); !errors.Is(err, agent.ErrMissing) {
		t.Errorf("got %v", err)
	}
	s.conf.URLs = append(s.conf.URLs, other.conf.URLs[0])
	s.conf.CAs = append(s.conf.CAs, other.Root)
	if r := s.mustFetch(); len(r.Levels) != 4 {
		t.Errorf("%+v", r)
	}
	// A certificate that stands twice in the chain file is one CA.
	s.conf.CAs = append(s.conf.CAs, s.Root)
	if r := s.mustFetch(); len(r.Levels) != 4 || r.Changed {
		t.Errorf("%+v", r)
	}
}

func TestConfig(t *testing.T) {
	h := catest.New(t)
	for name, c := range map[string]agent.Config{
		"no URL":  {Path: "x", SourceConfig: agent.SourceConfig{CAs: newSource(t).conf.CAs}},
		"no path": {SourceConfig: agent.SourceConfig{URLs: []string{"x"}, CAs: newSource(t).conf.CAs}},
		"no CA":   {Path: "x", SourceConfig: agent.SourceConfig{URLs: []string{"x"}}},
	} {
		if _, err := agent.Fetch(context.Background(), c); err == nil {
			t.Errorf("%s: fetched for %v", name, h.Root.Subject)
		}
	}
}
