package agent_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"signet/ca"
	"signet/revocation/agent"
	"signet/revocation/crl"
)

// children are the programs that this test binary is for other processes' sake.
var children = map[string]func() error{"killed": killedChild, "full": fullChild, "million": millionChild, "suicide": suicideChild}

const (
	childEnv = "SIGNET_AGENT_TEST_CHILD"
	urlEnv   = "SIGNET_AGENT_TEST_URL"
	dirEnv   = "SIGNET_AGENT_TEST_DIR"
)

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childEnv)]; child != nil {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is this test binary as the child named, which fetches from s into dir.
func (s *source) child(ctx context.Context, name, dir string) *exec.Cmd {
	s.Helper()
	var chain bytes.Buffer
	for _, c := range s.conf.CAs {
		_ = pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	path := filepath.Join(s.TempDir(), "chain.pem")
	if err := os.WriteFile(path, chain.Bytes(), 0o600); err != nil {
		s.Fatal(err)
	}
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+name, dirEnv+"="+dir, urlEnv+"="+s.conf.URLs[0], "SIGNET_AGENT_TEST_CAS="+path)
	return c
}

// childConfig is a child's.
func childConfig() (c agent.Config, err error) {
	c.URLs, c.Path = []string{os.Getenv(urlEnv)}, filepath.Join(os.Getenv(dirEnv), "crl.pem")
	c.Logger = slog.New(slog.DiscardHandler)
	data, err := os.ReadFile(os.Getenv("SIGNET_AGENT_TEST_CAS"))
	for b, rest := pem.Decode(data); b != nil && err == nil; b, rest = pem.Decode(rest) {
		var one *x509.Certificate
		one, err = x509.ParseCertificate(b.Bytes)
		c.CAs = append(c.CAs, one)
	}
	return c, err
}

// killedChild fetches over and over, and its check does not like each third file.
func killedChild() error {
	c, err := childConfig()
	if err != nil {
		return err
	}
	c.Check = `n=$(grep -c . "$SIGNET_CRL"); test $((n % 3)) -ne 0`
	c.Reload = "true"
	f, err := agent.Open(c)
	if err != nil {
		return err
	}
	for {
		_, _ = f.Fetch(context.Background())
	}
}

// Killed at any moment, the agent leaves a whole file of one of the CRLs that were
// published, and its successor goes on.
func TestKilled(t *testing.T) {
	s, dir := newSource(t), t.TempDir()
	s.conf.Path = filepath.Join(dir, "crl.pem")
	number := uint64(10)
	for i := range 25 {
		c := s.child(t.Context(), "killed", dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Duration(20+7*i) * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			number++
			s.bundle(s.list(s.Issuer, number), s.list(s.RootIssuer, number))
		}
		_ = c.Process.Kill()
		_ = c.Wait()
		data := s.inPlace()
		if data == nil && i < 10 {
			continue // it has not come to its first
		}
		ders, err := crl.Split(data)
		if err != nil || len(ders) != 2 {
			t.Fatalf("run %d: %d CRLs, %v", i, len(ders), err)
		}
		for _, der := range ders {
			if _, err := crl.Parse(der); err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
		}
	}
	s.mustFetch()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 4 { // the file, the state, the lock, and before where the last swap was cut short
		t.Errorf("left behind: %v", left)
	}
	if !bytes.Equal(s.inPlace(), s.bodies["/bundle.pem"]) {
		t.Error("the successor did not put the newest in place")
	}
}

// suicideChild is killed by its own check.
func suicideChild() error {
	c, err := childConfig()
	if err != nil {
		return err
	}
	c.Check = "kill -9 $PPID; sleep 1"
	_, err = agent.Fetch(context.Background(), c)
	return fmt.Errorf("it lives on: %w", err)
}

// Killed between the swap and the end of the check, the agent's successor checks
// the file, and still has the one before to go back to.
func TestKilledInTheCheck(t *testing.T) {
	s := newFakeServer(t)
	s.fetched(nil, [2]int{1, 1})
	s.file.Close()
	before := s.published()
	s.next(20)
	c := s.child(t.Context(), "suicide", filepath.Dir(s.conf.Path))
	if err := c.Run(); err == nil || c.ProcessState.Exited() {
		t.Fatalf("it was not killed: %v", err)
	}
	s.holds(s.published())
	s.touch("hated", s.published())
	s.open()
	s.fetched(agent.ErrRefused, [2]int{3, 1})
	s.holds(before)
	s.file.Close()
	s.touch("hated", nil)
	s.open()
	s.fetched(nil, [2]int{4, 2})
	s.holds(s.published())
}

// The disk is full at the swap, then it isn't. The disk is a file system in a mount
// namespace of the child's own; where the system gives us none, its files may not
// grow further.
func TestDiskFull(t *testing.T) {
	s := newSource(t)
	dir := t.TempDir()
	c := s.child(t.Context(), "full", dir)
	c.SysProcAttr = namespace()
	if err := (&exec.Cmd{Path: "/bin/true", SysProcAttr: namespace()}).Run(); err != nil {
		t.Logf("no mount namespace here: %v", err)
		c.SysProcAttr = nil
	}
	s.put("/big.pem", crl.EncodePEM(s.list(s.Issuer, 30_000), s.list(s.RootIssuer, 4)))
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func namespace() *syscall.SysProcAttr {
	if os.Getuid() == 0 {
		return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
}

// smallDisk makes dir hold less than half a MiB, until makeRoom is called.
func smallDisk(dir string) (makeRoom func() error, err error) {
	if unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "") == nil {
		ballast := filepath.Join(dir, "ballast")
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
			return nil, err
		}
		return func() error { return os.Remove(ballast) }, os.WriteFile(ballast, make([]byte, 15<<19), 0o600)
	}
	signal.Ignore(unix.SIGXFSZ) // writes fail with EFBIG then
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		return nil, err
	}
	return func() error { return unix.Setrlimit(unix.RLIMIT_FSIZE, &before) },
		unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 19, Max: before.Max})
}

func fullChild() error {
	ctx := context.Background()
	c, err := childConfig()
	if err != nil {
		return err
	}
	makeRoom, err := smallDisk(os.Getenv(dirEnv))
	if err != nil {
		return err
	}
	c.Check = "true"
	if _, err := agent.Fetch(ctx, c); err != nil {
		return fmt.Errorf("the small one: %w", err)
	}
	before, err := os.ReadFile(c.Path)
	if err != nil {
		return err
	}
	c.URLs[0] = strings.Replace(c.URLs[0], "bundle", "big", 1)
	f, err := agent.Open(c)
	if err != nil {
		return err
	}
	for range 2 {
		if _, err := f.Fetch(ctx); !errors.Is(err, agent.ErrWrite) || !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EFBIG) {
			return fmt.Errorf("on a full disk: %w", err)
		}
		if after, err := os.ReadFile(c.Path); err != nil || !bytes.Equal(after, before) {
			return fmt.Errorf("the old file did not stay: %w", err)
		}
		left, err := filepath.Glob(filepath.Join(os.Getenv(dirEnv), ".*"))
		if err != nil || len(left) > 0 {
			return fmt.Errorf("left behind: %v, %w", left, err)
		}
	}
	if err := makeRoom(); err != nil {
		return err
	}
	r, err := f.Fetch(ctx)
	if err == nil && r.Levels[0].Entries != 30_000 {
		err = fmt.Errorf("%+v", r)
	}
	return err
}

// millionChild fetches a first CRL and then its successor, as an agent does that runs
// on, and tells what it took.
func millionChild() error {
	c, err := childConfig()
	if err != nil {
		return err
	}
	f, err := agent.Open(c)
	if err != nil {
		return err
	}
	for n := 1; n <= 3; n++ {
		before := cpu()
		f.URLs[0] = fmt.Sprintf("%s?%d", os.Getenv(urlEnv), n)
		r, err := f.Fetch(context.Background())
		if err != nil {
			return err
		}
		fmt.Printf("%d entries, changed %v, %s of CPU\n", r.Levels[0].Entries, r.Changed, cpu()-before)
	}
	status, err := os.ReadFile("/proc/self/status")
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "\n")
	fmt.Println("peak", strings.TrimSpace(peak))
	return err
}

func cpu() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A million entries are fetched, verified and swapped in bounded memory.
func TestAMillionEntries(t *testing.T) {
	s := newSource(t)
	s.conf.Path = filepath.Join(t.TempDir(), "crl.pem")
	entries := s.entries(1_000_000)
	s.million(20, entries)
	dir := t.TempDir()
	c := s.child(t.Context(), "million", dir)
	// From one fetch to the next there is another CRL.
	s.onRequest = func(n int) { s.million(uint64(20+n), entries) }
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	var peak int
	_, text, _ := strings.Cut(string(out), "peak ")
	if _, scanErr := fmt.Sscanf(text, "%d kB", &peak); err != nil || scanErr != nil || peak > 150<<10 {
		t.Errorf("%d KiB at most, %v, %v", peak, err, scanErr)
	}
}

// entries are the encoded entries of a CRL.
func (s *source) entries(n int) (out []byte) {
	s.Helper()
	for i := range n {
		var err error
		serial := s.Serial(s)
		if out, err = crl.AppendEntry(out, crl.Entry{Serial: serial, At: s.now.Add(time.Duration(-i) * time.Second), Reason: ca.KeyCompromise}); err != nil {
			s.Fatal(err)
		}
	}
	return out
}

// million puts a bundle with those entries.
func (s *source) million(number uint64, entries []byte) {
	s.Helper()
	var der crl.Memory
	h := crl.Head{Number: number, ThisUpdate: s.now.Add(-time.Hour), NextUpdate: s.now.Add(9 * time.Hour)}
	if _, err := crl.Write(&der, s.Issuer, h, crl.Encoded(entries, 1_000_000)); err != nil {
		s.Fatal(err)
	}
	s.bundle(der, s.list(s.RootIssuer, number))
}
