package agent_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/exit"
	"signet/revocation/agent"
)

// A fakeServer is a relying server as its commands show it: what they say is in files.
type fakeServer struct {
	*source
	dir  string
	file *agent.File
}

// newFakeServer has a check that fails where the file "broken" is there, or where the
// CRL in place is the one in the file "hated".
func newFakeServer(t *testing.T) *fakeServer {
	s := &fakeServer{source: newSource(t), dir: t.TempDir()}
	s.conf.Check = fmt.Sprintf(`cd %s; echo x >>checks
		if test -e broken; then echo "unknown directive" >&2; exit 1; fi
		if cmp -s "$SIGNET_CRL" hated; then echo "bad CRL"; exit 1; fi`, s.dir)
	s.conf.Reload = fmt.Sprintf(`cd %s; echo x >>reloads`, s.dir)
	s.open()
	return s
}

func (s *fakeServer) open() {
	s.Helper()
	var err error
	if s.file, err = agent.Open(s.conf); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { s.file.Close() })
}

func (s *fakeServer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *fakeServer) touch(name string, data []byte) {
	s.Helper()
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		s.Fatal(err)
	}
}

// counts are how often check and reload were run.
func (s *fakeServer) counts() [2]int {
	var n [2]int
	for i, name := range []string{"checks", "reloads"} {
		data, _ := os.ReadFile(s.path(name))
		n[i] = bytes.Count(data, []byte("x"))
	}
	return n
}

// fetched fetches and compares the error and how often the commands were run by now.
func (s *fakeServer) fetched(want error, counts [2]int) *agent.Result {
	s.Helper()
	r, err := s.file.Fetch(s.Context())
	if !errors.Is(err, want) || want != nil && (exit.HintOf(err) == "" || exit.CodeOf(err) != exit.Failed) {
		s.Errorf("got %v (%s), not %v", err, exit.HintOf(err), want)
	}
	if got := s.counts(); got != counts {
		s.Errorf("check and reload were run %v times, not %v", got, counts)
	}
	left, _ := filepath.Glob(s.conf.Path + ".*")
	for _, name := range left {
		if !strings.HasSuffix(name, ".state") && !strings.HasSuffix(name, ".lock") {
			s.Errorf("left behind: %s", name)
		}
	}
	return r
}

func (s *fakeServer) next(number uint64) {
	s.bundle(s.list(s.Issuer, number), s.list(s.RootIssuer, number))
}

// published is the file as the CA gives it.
func (s *fakeServer) published() []byte { return s.bodies["/bundle.pem"] }

func (s *fakeServer) holds(want []byte) {
	s.Helper()
	if !bytes.Equal(s.inPlace(), want) {
		s.Error("another file is in place")
	}
}

func TestCheckPasses(t *testing.T) {
	s := newFakeServer(t)
	s.fetched(nil, [2]int{1, 1})
	s.fetched(nil, [2]int{1, 1})
	s.next(20)
	if r := s.fetched(nil, [2]int{2, 2}); !r.Changed || !r.CommandRun {
		t.Errorf("%+v", r)
	}
	s.holds(s.published())
	// Nobody comes back with what was done already.
	s.file.Close()
	s.open()
	s.fetched(nil, [2]int{2, 2})
}

func TestCheckRefusesTheNewOne(t *testing.T) {
	s := newFakeServer(t)
	s.fetched(nil, [2]int{1, 1})
	before := s.published()
	s.next(20)
	s.touch("hated", s.published())
	s.fetched(agent.ErrRefused, [2]int{3, 1}) // with the new one, and with the one before
	s.holds(before)
	s.fetched(agent.ErrRefused, [2]int{3, 1}) // it is not tried at each turn
	s.now = s.now.Add(time.Minute)
	s.fetched(agent.ErrRefused, [2]int{5, 1})
	s.now = s.now.Add(time.Minute)
	s.fetched(agent.ErrRefused, [2]int{5, 1}) // and ever more rarely
	s.holds(before)
	// After a restart it is tried once more.
	s.file.Close()
	s.open()
	s.fetched(agent.ErrRefused, [2]int{7, 1})
	s.holds(before)
	// The next CRL is tried at once.
	s.next(21)
	s.fetched(nil, [2]int{8, 2})
	s.holds(s.published())
}

func TestCheckTellsWhatItPrinted(t *testing.T) {
	s := newFakeServer(t)
	s.fetched(nil, [2]int{1, 1})
	s.next(20)
	s.touch("hated", s.published())
	s.conf.Check = "head -c 1000000 /dev/zero | tr '\\0' x; echo; " + s.conf.Check
	s.file.Close()
	s.open()
	_, err := s.file.Fetch(t.Context())
	if err == nil || !strings.Contains(err.Error(), "bad CRL") || len(err.Error()) > 4<<10 {
		t.Errorf("%.5000v", err)
	}
}

// The configuration was broken by somebody else: a restart of the server will need
// the new CRL, but a reload can't be had.
func TestConfigurationIsBroken(t *testing.T) {
	s := newFakeServer(t)
	s.fetched(nil, [2]int{1, 1})
	s.next(20)
	s.touch("broken", nil)
	r := s.fetched(agent.ErrBroken, [2]int{3, 1})
	if r == nil || !r.Changed || r.CommandRun {
		t.Errorf("%+v", r)
	}
	s.holds(s.published())
	s.fetched(agent.ErrBroken, [2]int{4, 1}) // the check goes on to be tried
	s.next(21)
	s.fetched(agent.ErrBroken, [2]int{6, 1}) // and newer ones come in
	s.holds(s.published())
	if err := os.Remove(s.path("broken")); err != nil {
		t.Fatal(err)
	}
	if r := s.fetched(nil, [2]int{7, 2}); r.Changed || !r.CommandRun {
		t.Errorf("%+v", r)
	}
}

// Even while the CA can't be reached, what waits is tried again.
func TestRepairedWhileTheCAIsAway(t *testing.T) {
	s := newFakeServer(t)
	s.touch("broken", nil)
	s.fetched(agent.ErrBroken, [2]int{1, 0}) // there was no file: there is nothing to go back to
	s.holds(s.published())
	s.put("/bundle.pem", nil)
	s.fetched(agent.ErrBroken, [2]int{2, 0})
	if err := os.Remove(s.path("broken")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.file.Fetch(t.Context()); err == nil || s.counts() != [2]int{3, 1} {
		t.Errorf("%v, %v", err, s.counts())
	}
}

func TestOneAgentHoldsAFile(t *testing.T) {
	s := newFakeServer(t)
	_, err := agent.Open(s.conf)
	if !errors.Is(err, agent.ErrLocked) || exit.HintOf(err) == "" || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if _, err := s.fetch(); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("got %v", err)
	}
	s.file.Close()
	s.open()
}

// What somebody does to the file is undone, from what the agent has in hand.
func TestTheFileIsChangedByOthers(t *testing.T) {
	s := newFakeServer(t)
	s.fetched(nil, [2]int{1, 1})
	for i, change := range []func() error{
		func() error { return os.Remove(s.conf.Path) },
		func() error { return os.WriteFile(s.conf.Path, []byte("oops"), 0o600) },
		func() error { return os.Truncate(s.conf.Path, 100) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		s.fetched(nil, [2]int{2 + i, 2 + i})
		s.holds(s.published())
		if last := s.requests[len(s.requests)-1]; last == "" {
			t.Error("it was fetched again whole")
		}
	}
}

// Files of one server that change in one moment are checked one after the other, and
// reloaded once.
func TestFilesTakeTurns(t *testing.T) {
	s := newFakeServer(t)
	s.conf.Turns = &agent.Turns{}
	s.conf.Check = fmt.Sprintf("cd %s; mkdir busy && sleep 0.1 && rmdir busy && echo x >>checks", s.dir)
	dir := t.TempDir()
	ended := make(chan error, 4)
	for i := range 4 {
		c := s.conf
		c.Path = filepath.Join(dir, fmt.Sprint(i))
		go func() {
			_, err := agent.Fetch(t.Context(), c)
			ended <- err
		}()
	}
	for range 4 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	// The first waits for the others no longer than a moment, so they may be two.
	if n := s.counts(); n[0] != 4 || n[1] > 2 {
		t.Errorf("%v checks and reloads", n)
	}
}
