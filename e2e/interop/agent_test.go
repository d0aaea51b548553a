package interop

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// An agent is "signet crl" running beside a server until it is stopped.
type agent struct {
	cmd  *exec.Cmd
	said *lockedBuffer
	stop func()
}

// fetchOnce makes the first crl.pem: a server does not start without.
func (s *stand) fetchOnce() {
	s.t.Helper()
	if out, err := s.fetch(s.world.ca.HTTP+"/crl/bundle.pem", "crl.pem"); err != nil {
		s.t.Fatalf("signet crl fetch: %v\n%s", err, out)
	}
}

// fetch runs the agent once, from that source into that file, without a reload.
func (s *stand) fetch(url, file string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(bin, "signet"), "crl", "fetch", "--url", url,
		"--ca-file", "chain.pem", "--out", file)
	cmd.Dir = s.prefix
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// follow starts the agent with the recipe's own commands.
func (s *stand) follow() *agent {
	s.t.Helper()
	a := &agent{said: &lockedBuffer{}}
	a.cmd = exec.Command(filepath.Join(bin, "signet"), "crl", "fetch", "--url", s.world.ca.HTTP+"/crl/bundle.pem",
		"--ca-file", "chain.pem", "--out", "crl.pem", "--every", "1s", "--run", s.recipe.reload)
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
