package interop

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// An agent is "signet crl" running beside a server until it is stopped.
type agent struct {
	stand *stand
	cmd   *exec.Cmd
	said  *lockedBuffer
	stop  func()
}

// What every README has done first, on a machine with a CA: a server does not start
// without its crl.pem.
const (
	readmeCA    = "http://127.0.0.1:8080"
	fetchAtOnce = "signet crl fetch --url " + readmeCA + " --ca-file chain.pem --out crl.pem"
)

// fetchOnce makes the first crl.pem as the README does.
func (s *stand) fetchOnce() {
	s.t.Helper()
	s.sh(strings.ReplaceAll(fetchAtOnce, readmeCA, s.world.ca.HTTP))
}

// fetch runs the agent once, from that source into that file, without a reload.
func (s *stand) fetch(url, file string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(bin, "signet"), "crl", "fetch", "--url", url,
		"--ca-file", "chain.pem", "--out", file)
	cmd.Dir = s.prefix
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// How the agent learns of a new CRL, as docs/interop.md says it.
const (
	byPush    = "push"
	byPolling = "polling every 2 s"
)

// follow starts the agent as the recipe's README does, and returns when it hears
// the CA's events, or has fetched once where it only polls.
func (s *stand) follow(by string) *agent {
	s.t.Helper()
	args := []string{"--poll", "1h"}
	if by == byPolling {
		args = []string{"--poll", "2s", "--no-push"}
	}
	a := s.sync(s.world.ca.HTTP, args...)
	a.await(func(h health) bool { return by == byPolling && h.Fetches > 0 || by == byPush && h.Events })
	return a
}

// sync starts "signet crl sync" with the recipe's own commands.
func (s *stand) sync(url string, args ...string) *agent {
	s.t.Helper()
	a := &agent{stand: s, said: &lockedBuffer{}}
	_ = os.Remove(s.path("health.json"))
	a.cmd = exec.Command(filepath.Join(bin, "signet"), append([]string{"crl", "sync", "--url", url, "--ca-file", "chain.pem",
		"--out", "crl.pem", "--health", "health.json", "--reload", s.recipe.reload}, args...)...)
	if s.recipe.check != "" {
		a.cmd.Args = append(a.cmd.Args, "--check", s.recipe.check)
	}
	a.cmd.Dir, a.cmd.Env = s.prefix, s.environ()
	a.cmd.Stdout, a.cmd.Stderr = a.said, a.said
	if err := a.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	a.stop = sync.OnceFunc(func() {
		_ = a.cmd.Process.Signal(syscall.SIGTERM)
		_ = a.cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("the agent said:\n%s", a.said)
		}
	})
	s.t.Cleanup(a.stop)
	return a
}

// health is what the agent's health file says of its one CRL file.
type health struct {
	Standing string `json:"standing"`
	Events   bool   `json:"events"`
	Fetches  int    `json:"fetches"`
}

// await waits until the health file is as wanted.
func (a *agent) await(wanted func(health) bool) {
	a.stand.t.Helper()
	if !a.within(30*time.Second, wanted) {
		text, _ := os.ReadFile(a.stand.path("health.json"))
		a.stand.t.Fatalf("the agent's health file says:\n%s\nand its log:\n%s", text, a.said)
	}
}

// within reports whether the health file is as wanted before that time has passed.
func (a *agent) within(patience time.Duration, wanted func(health) bool) bool {
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		var report struct {
			CRLs []health `json:"crls"`
		}
		text, _ := os.ReadFile(a.stand.path("health.json"))
		if json.Unmarshal(text, &report) == nil && len(report.CRLs) == 1 && wanted(report.CRLs[0]) {
			return true
		}
	}
	return false
}

// A lockedBuffer is written by a process while the test reads it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
