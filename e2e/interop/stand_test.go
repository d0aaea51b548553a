package interop

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A stand is a recipe's server, running in a folder of its own beside the files
// that every recipe wants: server.crt, server.key, chain.pem, crl.pem, pages/.
type stand struct {
	t      *testing.T
	world  *world
	recipe recipe
	title  string
	prefix string
	roots  *x509.CertPool // trust the server's own certificate
	door   door
	// stopGate ends "signet gate", where one runs beside the server.
	stopGate func()
}

// start sets a recipe up and runs its server until the test ends.
func start(t *testing.T, r recipe) *stand {
	t.Helper()
	s := &stand{t: t, world: newWorld(t), recipe: r, title: r.title(t), prefix: newPrefix(t, r.name)}
	r.copyTo(t, s.prefix)
	s.put("chain.pem", s.world.chain)
	s.serverCertificate()
	s.fetchOnce()
	if r.prepare != nil {
		r.prepare(s)
	}
	for _, port := range r.ports {
		awaitFree(t, port)
	}
	s.door = r.door(s)
	s.run()
	if r.started != nil {
		r.started(s)
	}
	return s
}

// newPrefix is a folder that other users can look into: servers that are started
// by root serve as somebody else.
func newPrefix(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "signet-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s *stand) path(name string) string { return filepath.Join(s.prefix, name) }

func (s *stand) put(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), data, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// serverCertificate makes the server's own certificate; it is not what is tested.
func (s *stand) serverCertificate() {
	s.t.Helper()
	output(s.t, s.prefix, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
		"-keyout", "server.key", "-out", "server.crt")
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(s.read("server.crt"))
}

// run starts the server, waits until it listens, and ends it with the test.
func (s *stand) run() {
	s.t.Helper()
	cmd := s.recipe.command(s)
	log, err := os.Create(s.path("said.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.put("process.pid", []byte(strconv.Itoa(cmd.Process.Pid))) // for what writes none itself
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", s.recipe.name, s.logs())
		}
		end(cmd, ended)
	})
	for _, port := range s.recipe.ports {
		s.awaitListening(port, ended)
	}
}

// end stops a process as its operator would, and by force where that is not enough.
func end(cmd *exec.Cmd, ended chan struct{}) {
	stop := syscall.SIGTERM
	if filepath.Base(cmd.Path) == "postgres" {
		stop = syscall.SIGINT // SIGTERM would wait for clients to leave
	}
	_ = cmd.Process.Signal(stop)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// logs is what the server wrote to the files that its recipe names.
func (s *stand) logs() (all string) {
	names, _ := filepath.Glob(s.path("*.log"))
	for _, name := range names {
		text, _ := os.ReadFile(name)
		all += fmt.Sprintf("--- %s\n%s", filepath.Base(name), text[max(0, len(text)-6000):])
	}
	return all
}

func (s *stand) awaitListening(port int, ended chan struct{}) {
	s.t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		conn, err := net.Dial("tcp", address(port))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			s.t.Fatalf("%s has ended", s.recipe.name)
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.t.Fatalf("%s does not listen on port %d", s.recipe.name, port)
}

// awaitFree waits for a port that a recipe names: it may be another run's.
func awaitFree(t *testing.T, port int) {
	t.Helper()
	var err error
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		var l net.Listener
		if l, err = net.Listen("tcp", address(port)); err == nil {
			l.Close()
			return
		}
	}
	t.Fatalf("the recipe's port is taken: %v", err)
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// sh runs a command of the README's in the prefix, as the agent would.
func (s *stand) sh(command string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", command)
	cmd.Dir, cmd.Env = s.prefix, s.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// environ has the programs under test in its path, and the folders of root's
// programs, as services have.
func (s *stand) environ() []string {
	return append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
}
